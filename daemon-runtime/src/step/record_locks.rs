//! Record locks of fcntl(2), as SQLite holds one for as long as a database is open. fork(2) does not pass them on, so that the
//! daemon would write without them.

use std::fs;
use std::os::fd::RawFd;

use nix::errno::Errno;

use super::descriptors::look_at_open;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::{procfs, sys};

/// Refuses a process that holds a record lock on a file that it has open, but for descriptors that are `closed` at the launch,
/// in ascending order. Before these are closed: with any descriptor of a file go all locks on it.
pub(crate) fn refuse_record_locks(closed: &[RawFd]) -> Result<()> {
    let mut locked = None;
    let looked = look_at_open(closed, &mut |fd| {
        match sys::may_be_locked(fd) {
            Err(Errno::EBADF) => return Ok(false),
            // Not always by this process, which the call does not tell.
            Ok(true) | Err(_) if holds_lock(fd) => locked = locked.or(Some(fd)),
            _ => {}
        }
        Ok(true)
    });
    looked.map_err(|errno| Error::system(Step::Descriptors, "list open descriptors in /proc/self/fd", errno))?;
    let Some(fd) = locked else { return Ok(()) };
    let path = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
    let why = format!("descriptor {fd} ({}) holds a record lock, which a fork does not pass on", path.display());
    Err(Error::new(Step::Descriptors, ErrorKind::Misuse, "become a daemon", why).advise("open it in main's body"))
}

/// Whether this process has a record lock by a descriptor: proc_pid_fdinfo(5). Where there is no /proc, that cannot be seen.
fn holds_lock(fd: RawFd) -> bool {
    let info = procfs::read(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
    info.lines().any(|line| line.starts_with("lock:") && line.contains(" POSIX "))
}
