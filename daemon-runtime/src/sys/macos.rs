//! macOS.

use std::env;
use std::mem::{size_of, zeroed};
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::libc::{self, c_int, c_void};
use nix::unistd::{Pid, getpid, getppid};

use crate::sys::{ProcessInfo, visit_listed};

#[allow(dead_code, unused_imports, reason = "what this file has replaces what has the same name there")]
#[path = "posix.rs"]
mod common;
pub(crate) use common::*;

/// Returns C's stdout and stderr.
pub(crate) fn c_streams() -> [*mut libc::FILE; 2] {
    // Declared here because the libc crate has neither.
    unsafe extern "C" {
        static __stdoutp: *mut libc::FILE;
        static __stderrp: *mut libc::FILE;
    }
    // SAFETY: the C library has set both before main, and nothing in this process sets them anew.
    unsafe { [__stdoutp, __stderrp] }
}

/// environ(7).
pub(crate) fn environ() -> *mut *mut libc::c_char {
    // SAFETY: the C library has set it before main; there is one thread.
    unsafe { *libc::_NSGetEnviron() }
}

// Processes

/// Counts the threads of this process.
pub(crate) fn count_threads() -> nix::Result<usize> {
    let info: libc::proc_taskinfo = process_info(getpid(), libc::PROC_PIDTASKINFO)?;
    Ok(info.pti_threadnum as usize)
}

/// Looks at a process, as far as the system shows it.
pub(crate) fn look_at_process(pid: Pid) -> Option<ProcessInfo> {
    let info: libc::proc_bsdinfo = process_info(pid, libc::PROC_PIDTBSDINFO).ok()?;
    let start = info.pbi_start_tvsec * 1_000_000 + info.pbi_start_tvusec;
    Some(ProcessInfo { owner: info.pbi_uid, start, is_zombie: info.pbi_status == libc::SZOMB })
}

/// proc_pidinfo of <libproc.h>, also of a process that has ended.
fn process_info<T>(pid: Pid, flavor: c_int) -> nix::Result<T> {
    const ALSO_ENDED: u64 = 1;
    let size = size_of::<T>() as c_int;
    // SAFETY: the two structs hold numbers only, and the kernel writes no more than their size.
    unsafe {
        let mut info: T = zeroed();
        let to = (&raw mut info).cast::<c_void>();
        let written = libc::proc_pidinfo(pid.as_raw(), flavor, ALSO_ENDED, to, size);
        if written == size { Ok(info) } else { Err(Errno::last()) }
    }
}

/// Returns how the system shows that a supervisor runs this process, if one does. launchd.plist(5): a job must not detach.
///
/// Jobs pass the variable on to what they start, and a terminal's programs have "0".
pub(crate) fn why_supervised() -> Option<&'static str> {
    let has_name = env::var_os("XPC_SERVICE_NAME").is_some_and(|name| !name.is_empty() && name != "0");
    (has_name && getppid().as_raw() == 1).then_some("XPC_SERVICE_NAME is set, and its parent is launchd")
}

// Descriptors and files

/// Calls `visit` with all numbers that are open, in ascending order, and with some that are not: fd(4), complete here.
pub(crate) fn visit_descriptors(visit: &mut dyn FnMut(RawFd) -> bool) -> nix::Result<()> {
    visit_listed("/dev/fd", 0, visit)
}

/// A directory that is only passed through needs no right to be read.
pub(crate) const SEARCH: OFlag = OFlag::from_bits_retain(libc::O_SEARCH);
