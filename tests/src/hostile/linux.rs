//! What Linux alone has: system calls that are missing, or forbidden.

use std::{fs, io};

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::hostile::Condition;
use crate::raw;

/// The system call of this number fails with `errno`, from exec on and in all that the program starts: as on a kernel that
/// lacks it (`ENOSYS`), or under a filter that forbids it (`EPERM`). It cannot gain privileges any more.
pub fn denied(call: libc::c_long, errno: Errno) -> Condition {
    Box::new(move || raw::forbid(call as u32, call as u32, libc::SECCOMP_RET_ERRNO | errno as u32))
}

/// Every system call from this number on is missing, as on a kernel that is older than all of them; with the restrictions
/// of [`denied`].
pub fn missing_from(call: libc::c_long) -> Condition {
    Box::new(move || raw::forbid(call as u32, u32::MAX, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32))
}

/// The same, and a process that makes the call is killed.
pub fn deadly(call: libc::c_long) -> Condition {
    Box::new(move || raw::forbid(call as u32, call as u32, libc::SECCOMP_RET_KILL_PROCESS))
}

/// As many descriptors are allowed as the kernel, or the user's hard limit, lets through.
pub fn most_descriptors() -> Condition {
    Box::new(|| {
        let most = fs::read_to_string("/proc/sys/fs/nr_open")?.trim().parse().map_err(io::Error::other)?;
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
            .map_err(io::Error::from)
    })
}
