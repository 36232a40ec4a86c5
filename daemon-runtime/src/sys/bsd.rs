//! FreeBSD, DragonFly, NetBSD and OpenBSD.

use std::mem::{size_of, size_of_val, zeroed};
use std::ptr;

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void};
use nix::unistd::{Pid, getpid};

use crate::sys::ProcessInfo;

#[allow(dead_code, unused_imports, reason = "what this file has replaces what has the same name there")]
#[path = "posix.rs"]
mod common;
pub(crate) use common::*;

/// Returns C's stdout and stderr. In NetBSD and OpenBSD they have no names that are known.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) fn c_streams() -> [*mut libc::FILE; 2] {
    // Declared here because the libc crate has neither.
    unsafe extern "C" {
        static __stdoutp: *mut libc::FILE;
        static __stderrp: *mut libc::FILE;
    }
    // SAFETY: the C library has set both before main, and nothing in this process sets them anew.
    unsafe { [__stdoutp, __stderrp] }
}

// Processes

/// sysctl(3). Returns how many bytes it has written.
fn sysctl(mib: &mut [c_int], to: *mut c_void, mut size: usize) -> nix::Result<usize> {
    // SAFETY: the kernel reads the numbers of `mib`, and writes no more than `size` bytes.
    let done = unsafe { libc::sysctl(mib.as_mut_ptr(), mib.len() as _, to, &mut size, ptr::null_mut(), 0) };
    Errno::result(done).map(|_| size)
}

#[cfg(not(target_os = "netbsd"))]
use libc::{KERN_PROC, kinfo_proc as Process};
#[cfg(target_os = "netbsd")]
use libc::{KERN_PROC2 as KERN_PROC, kinfo_proc2 as Process};

/// Reads what the system knows of a process, and on OpenBSD, with KERN_PROC_SHOW_THREADS, of each of its threads.
fn read_process(what: c_int, pid: Pid, to: &mut [Process]) -> nix::Result<usize> {
    let mib = [libc::CTL_KERN, KERN_PROC, what, pid.as_raw(), size_of::<Process>() as c_int, to.len() as c_int];
    // The last two are those of NetBSD and OpenBSD.
    let length = if cfg!(any(target_os = "netbsd", target_os = "openbsd")) { 6 } else { 4 };
    sysctl(&mut mib.clone()[..length], to.as_mut_ptr().cast(), size_of_val(to)).map(|size| size / size_of::<Process>())
}

fn process(pid: Pid) -> nix::Result<Process> {
    // SAFETY: it holds numbers, and pointers that nobody follows.
    let mut found: [Process; 1] = unsafe { zeroed() };
    match read_process(libc::KERN_PROC_PID, pid, &mut found)? {
        0 => Err(Errno::ESRCH),
        _ => Ok(found[0]),
    }
}

/// Counts the threads of this process.
#[cfg(not(target_os = "openbsd"))]
pub(crate) fn count_threads() -> nix::Result<usize> {
    let process = process(getpid())?;
    #[cfg(target_os = "freebsd")]
    let count = process.ki_numthreads;
    #[cfg(target_os = "dragonfly")]
    let count = process.kp_nthreads;
    #[cfg(target_os = "netbsd")]
    let count = process.p_nlwps;
    Ok(count as usize)
}

/// Counts the threads of this process. One of the records is the process's, which is no thread.
#[cfg(target_os = "openbsd")]
pub(crate) fn count_threads() -> nix::Result<usize> {
    // SAFETY: as in `process`.
    let mut found: [Process; 3] = unsafe { zeroed() };
    match read_process(libc::KERN_PROC_PID | libc::KERN_PROC_SHOW_THREADS, getpid(), &mut found) {
        // There are more.
        Err(Errno::ENOMEM) => Ok(found.len()),
        read => Ok(found[..read?].iter().filter(|record| record.p_tid != -1).count()),
    }
}

/// Looks at a process, as far as the system shows it.
pub(crate) fn look_at_process(pid: Pid) -> Option<ProcessInfo> {
    let process = process(pid).ok()?;
    #[cfg(target_os = "freebsd")]
    let (owner, start, is_zombie) = (process.ki_uid, process.ki_start, process.ki_stat == libc::SZOMB);
    #[cfg(target_os = "dragonfly")]
    let (owner, start, is_zombie) = (process.kp_uid, process.kp_start, process.kp_stat == libc::procstat::SZOMB);
    #[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
    let (seconds, micros) = (start.tv_sec, start.tv_usec);
    #[cfg(any(target_os = "netbsd", target_os = "openbsd"))]
    let (owner, seconds, micros, is_zombie) =
        (process.p_uid, process.p_ustart_sec, process.p_ustart_usec, process.p_uvalid == 0);
    Some(ProcessInfo { owner, start: seconds as u64 * 1_000_000 + micros as u64, is_zombie })
}

/// procctl(2) of this process.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
fn control(command: c_int, argument: *mut c_int) -> nix::Result<()> {
    let pid = getpid().as_raw() as libc::id_t;
    // SAFETY: the commands of this file take an int, or nothing.
    Errno::result(unsafe { libc::procctl(libc::P_PID, pid, command, argument.cast()) }).map(drop)
}

/// Makes this process the parent of the children of its descendants when these end. Returns whether it is.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) fn adopt_orphans() -> nix::Result<bool> {
    // EBUSY: it has been before.
    Ok(matches!(control(libc::PROC_REAP_ACQUIRE, ptr::null_mut()), Ok(()) | Err(Errno::EBUSY)))
}

// Rights

/// Whether [`forbid_new_privileges`] is to be had.
#[cfg(target_os = "freebsd")]
pub(crate) const HAS_NO_NEW_PRIVILEGES: bool = true;

/// execve(2) of a set-user-ID program gives no rights from now on.
#[cfg(target_os = "freebsd")]
pub(crate) fn forbid_new_privileges() -> nix::Result<()> {
    control(libc::PROC_NO_NEW_PRIVS_CTL, &mut libc::PROC_NO_NEW_PRIVS_ENABLE.clone())
}

/// No core dump, and no look at the memory.
#[cfg(target_os = "freebsd")]
pub(crate) fn forbid_core_dumps() -> nix::Result<()> {
    common::forbid_core_dumps()?;
    control(libc::PROC_TRACE_CTL, &mut libc::PROC_TRACE_CTL_DISABLE.clone())
}

// Descriptors and files

/// Calls `visit` with all numbers that are open, in ascending order, and with some that are not: it returns whether one is.
///
/// Not by /dev/fd, which shows 0 to 2 alone where fdescfs is not mounted.
#[cfg(any(target_os = "freebsd", target_os = "openbsd"))]
pub(crate) fn visit_descriptors(visit: &mut dyn FnMut(c_int) -> bool) -> nix::Result<()> {
    super::visit_below_limit(count_descriptors(), visit)
}

/// KERN_PROC_NFDS of sysctl(3), of this process.
#[cfg(target_os = "freebsd")]
fn count_descriptors() -> usize {
    let mut count: c_int = 0;
    let mib = [libc::CTL_KERN, libc::KERN_PROC, libc::KERN_PROC_NFDS, 0];
    // Old kernels do not have it.
    sysctl(&mut mib.clone(), (&raw mut count).cast(), size_of::<c_int>()).map_or(usize::MAX, |_| count as usize)
}

/// getdtablecount(2).
#[cfg(target_os = "openbsd")]
fn count_descriptors() -> usize {
    // Declared here because the libc crate does not have it.
    unsafe extern "C" {
        fn getdtablecount() -> c_int;
    }
    // SAFETY: the call only counts, and cannot fail.
    unsafe { getdtablecount() as usize }
}

/// Calls `visit` with all numbers up to the last that is open: F_MAXFD of fcntl(2).
#[cfg(target_os = "netbsd")]
pub(crate) fn visit_descriptors(visit: &mut dyn FnMut(c_int) -> bool) -> nix::Result<()> {
    // SAFETY: the command takes no argument, and changes nothing.
    let last = Errno::result(unsafe { libc::fcntl(0, libc::F_MAXFD) })?;
    for fd in 0..=last {
        visit(fd);
    }
    Ok(())
}

/// A directory that is only passed through needs no right to be read.
#[cfg(any(target_os = "freebsd", target_os = "netbsd"))]
pub(crate) const SEARCH: nix::fcntl::OFlag = nix::fcntl::OFlag::from_bits_retain(libc::O_SEARCH);

/// What open(2) says of a symbolic link that it is not to follow.
#[cfg(any(target_os = "freebsd", target_os = "dragonfly"))]
pub(crate) const LINK_NOT_FOLLOWED: Errno = Errno::EMLINK;
#[cfg(target_os = "netbsd")]
pub(crate) const LINK_NOT_FOLLOWED: Errno = Errno::EFTYPE;
