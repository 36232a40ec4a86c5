//! Record locks of fcntl(2), as SQLite holds one for as long as a database is open. fork(2) does not pass them on, so that the
//! daemon would write without them.

use std::fs;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::unistd::getpid;

use super::descriptors::look_at_open;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::{procfs, sys};

/// Refuses a process that holds a record lock on a file that it has open, but for descriptors that are `closed` at the launch,
/// in ascending order. Before these are closed: with any descriptor of a file go all locks on it.
pub(crate) fn refuse_record_locks(closed: &[RawFd]) -> Result<()> {
    let mut locked = None;
    let looked = look_at_open(closed, &mut |fd| {
        let is_ours = match sys::record_lock_holder(fd) {
            Err(Errno::EBADF) => return Ok(false),
            Ok(None) => false,
            // One holder of several is told, and not by which descriptor.
            Ok(Some(holder)) => is_shown_as_locked(fd).unwrap_or(holder == getpid()),
            Err(_) => is_shown_as_locked(fd).unwrap_or(false),
        };
        locked = locked.or(Some(fd).filter(|_| is_ours));
        Ok(true)
    });
    looked.map_err(|errno| Error::system(Step::Descriptors, "list open descriptors in /proc/self/fd", errno))?;
    let Some(fd) = locked else { return Ok(()) };
    let path = fs::read_link(format!("/proc/self/fd/{fd}"));
    let path = path.map_or(String::new(), |path| format!(" ({})", path.display()));
    let why = format!("descriptor {fd}{path} holds a record lock, which a fork does not pass on");
    Err(Error::new(Step::Descriptors, ErrorKind::Misuse, "become a daemon", why).advise("open it in main's body"))
}

/// Whether /proc shows a record lock that this process has by a descriptor: proc_pid_fdinfo(5).
fn is_shown_as_locked(fd: RawFd) -> nix::Result<bool> {
    let info = procfs::read(format!("/proc/self/fdinfo/{fd}"))?;
    Ok(info.lines().any(|line| line.starts_with("lock:") && line.contains(" POSIX ")))
}
