//! What POSIX has: for other Unixes, and for Linux by `--cfg daemon_portable`. The file of a system takes this, and has functions of
//! the same names for what that system does better.

use std::ffi::{CString, OsStr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::SocketAddr;
use std::{fs, io, ptr};

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::libc::{self, c_int};
use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Gid, Pid, Uid, getegid, geteuid, getgid, getuid};

use crate::sys::{
    FileId, Link, ProcessInfo, descriptor_flags, errno_of, file_status, file_status_at, visit_below_limit,
};

pub(crate) use libc::{fstat, fstatat, stat as Stat};

/// A file of 2 GiB needs no flag of openat(2).
pub(crate) const LARGE_FILE: OFlag = OFlag::empty();

/// The number of /dev/null, if it is the same everywhere.
pub(crate) const NULL_DEVICE: Option<u64> = None;

/// What openat(2) says of a symbolic link that it is not to follow.
pub(crate) const LINK_NOT_FOLLOWED: Errno = Errno::ELOOP;

/// Returns C's stdout and stderr; null stands for all streams, where the two have no name that is known.
pub(crate) fn c_streams() -> [*mut libc::FILE; 1] {
    [ptr::null_mut()]
}

/// environ(7).
pub(crate) fn environ() -> *mut *mut libc::c_char {
    // Declared here because the libc crate does not have it.
    unsafe extern "C" {
        static mut environ: *mut *mut libc::c_char;
    }
    // SAFETY: the C library has set it before main; there is one thread.
    unsafe { environ }
}

/// Returns whether a signal that is ignored may be so since exec. Linux alone clears the flags there.
pub(crate) fn may_be_ignored_since_exec(_: &libc::sigaction) -> bool {
    true
}

/// Returns the numbers of the signals that can be ignored, as far as every system has them.
pub(crate) fn signals() -> impl Iterator<Item = c_int> {
    (1..32).filter(|signal| ![libc::SIGKILL, libc::SIGSTOP].contains(signal))
}

// Processes

/// Counts the threads of this process. Where nobody knows how, it is believed to have one.
pub(crate) fn count_threads() -> nix::Result<usize> {
    match cfg!(target_os = "linux") {
        // proc(5): each thread is a directory below task, which itself has two links.
        true => fs::metadata("/proc/self/task")
            .map(|task| (task.nlink() as usize).wrapping_sub(2))
            .map_err(|error| errno_of(&error)),
        false => Ok(1),
    }
}

/// Returns the names of the other threads of this process, as far as they are to be seen.
pub(crate) fn other_threads() -> Vec<String> {
    Vec::new()
}

/// Makes this process the parent of the children of its descendants when these end. Returns whether it is.
pub(crate) fn adopt_orphans() -> nix::Result<bool> {
    Ok(false)
}

/// Looks at a process, as far as the system shows it.
pub(crate) fn look_at_process(_: Pid) -> Option<ProcessInfo> {
    None
}

/// Returns whether a process has a lock of flock(2) on a file. `None` where that is not to be seen.
pub(crate) fn has_lock(_: Pid, _: FileId) -> Option<bool> {
    None
}

/// Makes a descriptor that certainly is this process's. `None` where the system has none.
pub(crate) fn open_process(_: Pid) -> nix::Result<Option<OwnedFd>> {
    Ok(None)
}

/// Sends a signal to a process by such a descriptor.
pub(crate) fn signal_process(_: BorrowedFd<'_>, _: c_int) -> nix::Result<()> {
    Err(Errno::ENOSYS)
}

/// Returns how the system shows that a supervisor runs this process, if one does.
pub(crate) fn why_supervised() -> Option<&'static str> {
    None
}

/// Makes the address of a socket of unix(7).
pub(crate) fn socket_address(path: &OsStr) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(path)
}

// Users and rights

/// Whether [`user_ids`] and [`group_ids`] tell the saved ids. POSIX has no call for them: the effective ones stand there then.
pub(crate) const TELLS_SAVED_IDS: bool = false;

/// Returns the real, the effective and the saved user id.
pub(crate) fn user_ids() -> nix::Result<[Uid; 3]> {
    Ok([getuid(), geteuid(), geteuid()])
}

/// Returns the real, the effective and the saved group id.
pub(crate) fn group_ids() -> nix::Result<[Gid; 3]> {
    Ok([getgid(), getegid(), getegid()])
}

/// What root may do.
#[derive(Clone, Copy)]
pub(crate) enum Right {
    SetGid,
    SetUid,
    Chroot,
}

/// Returns whether this process may do it.
pub(crate) fn has_right(_: Right) -> bool {
    geteuid().is_root()
}

/// Drops the rights that are not the user's. Returns whether there are none.
pub(crate) fn drop_capabilities() -> nix::Result<bool> {
    Ok(true)
}

/// Leaves the keys of whoever started the process.
pub(crate) fn leave_session_keyring() -> nix::Result<()> {
    Ok(())
}

/// Whether [`forbid_new_privileges`] is to be had.
pub(crate) const HAS_NO_NEW_PRIVILEGES: bool = false;

/// execve(2) of a set-user-ID program gives no rights from now on.
pub(crate) fn forbid_new_privileges() -> nix::Result<()> {
    Err(Errno::ENOSYS)
}

/// No core dump.
pub(crate) fn forbid_core_dumps() -> nix::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
}

// Descriptors and files

/// Calls `visit` with all numbers that are open, in ascending order, and with some that are not: it returns whether one is.
pub(crate) fn visit_descriptors(visit: &mut dyn FnMut(RawFd) -> bool) -> nix::Result<()> {
    visit_below_limit(usize::MAX, visit)
}

/// Returns whether this process holds a record lock of fcntl(2) on the file of this descriptor, which POSIX does not tell; EBADF
/// if it is not open.
pub(crate) fn has_record_lock(fd: RawFd) -> nix::Result<bool> {
    descriptor_flags(fd).map(|_| false)
}

/// A directory that is only passed through.
pub(crate) const SEARCH: OFlag = OFlag::O_RDONLY;

/// Looks at a name in a directory; `None` if it is no symbolic link.
pub(crate) fn look_at(directory: BorrowedFd<'_>, name: &OsStr) -> nix::Result<Option<Link>> {
    let c_name = CString::new(name.as_bytes()).map_err(|_| Errno::EINVAL)?;
    let mut link = file_status_at(directory, &c_name)?;
    if link.kind != libc::S_IFLNK {
        return Ok(None);
    }
    let place = file_status(directory.as_raw_fd())?;
    if place.owner != 0 || place.permissions & (libc::S_IWGRP | libc::S_IWOTH) != 0 {
        // Before the second look another link could be put there, which may be anybody's.
        link.owner = libc::uid_t::MAX;
    }
    Ok(Some((link, Some(readlinkat(directory, name)?))))
}
