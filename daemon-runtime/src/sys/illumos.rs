//! illumos.

use std::fs;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::Pid;

use crate::sys::{ProcessInfo, errno_of, visit_listed};

#[allow(dead_code, unused_imports, reason = "what this file has replaces what has the same name there")]
#[path = "posix.rs"]
mod common;
pub(crate) use common::*;

// Processes

/// The beginning of psinfo_t of proc(5), as <sys/procfs.h> has it for 64 bits: its members of one type one after the other.
#[repr(C)]
struct Psinfo {
    /// The second is pr_nlwp, the eighth pr_euid.
    numbers: [libc::uid_t; 10],
    _sizes: [usize; 5],
    _percentages: [u16; 2],
    start: libc::timespec,
}

/// Reads psinfo of proc(5), which everybody may.
fn psinfo(process: &str) -> nix::Result<Psinfo> {
    let bytes = fs::read(format!("/proc/{process}/psinfo")).map_err(|error| errno_of(&error))?;
    if bytes.len() < size_of::<Psinfo>() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: there are enough bytes, all of them numbers, which need not be aligned.
    Ok(unsafe { bytes.as_ptr().cast::<Psinfo>().read_unaligned() })
}

/// Counts the threads of this process.
pub(crate) fn count_threads() -> nix::Result<usize> {
    psinfo("self").map(|info| info.numbers[1] as usize)
}

/// Looks at a process, as far as the system shows it. One that has ended has no thread.
pub(crate) fn look_at_process(pid: Pid) -> Option<ProcessInfo> {
    let Psinfo { numbers, start, .. } = psinfo(&pid.to_string()).ok()?;
    let start = start.tv_sec as u64 * 1_000_000_000 + start.tv_nsec as u64;
    Some(ProcessInfo { owner: numbers[7], start, is_zombie: numbers[1] == 0 })
}

// Descriptors and files

/// Calls `visit` with all numbers that are open, in ascending order, and with some that are not: proc(5).
pub(crate) fn visit_descriptors(visit: &mut dyn FnMut(RawFd) -> bool) -> nix::Result<()> {
    visit_listed("/proc/self/fd", 0, visit)
}

/// A directory that is only passed through needs no right to be read.
pub(crate) const SEARCH: OFlag = OFlag::from_bits_retain(libc::O_SEARCH);
