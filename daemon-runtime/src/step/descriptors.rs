//! Inherited descriptors, daemon(7), step 1: all are closed but those to keep.
//!
//! What exec passes on cannot have the close-on-exec flag. What Rust, the C library and most others open themselves has it,
//! and they remember their descriptors by number. So what is open at the first call into this crate, and is still the same
//! without that flag when the daemon starts, is inherited. Nothing else is closed.

use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc::FD_CLOEXEC;

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::sys::{self, FileId};

/// The first descriptor that is no standard stream.
const FIRST: RawFd = 3;

/// A descriptor that was open at the first call, and which file it was; or why fstat(2) does not say, as for a file system whose
/// server has gone.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    fd: RawFd,
    file: nix::Result<FileId>,
}

/// Lists what is open. The flags are read when they are to be closed: one call less.
pub(crate) fn list() -> nix::Result<Vec<Open>> {
    let mut open = Vec::new();
    sys::visit_descriptors(&mut |fd| {
        let file = sys::file_status(fd).map(|status| status.id);
        let is_open = file != Err(Errno::EBADF);
        if is_open && fd >= FIRST {
            open.push(Open { fd, file });
        }
        is_open
    })?;
    Ok(open)
}

/// Finds what was inherited, but for `keep` and for what the program has taken over or replaced since.
pub(crate) fn find_inherited(open_at_first: &nix::Result<Vec<Open>>, keep: &[RawFd]) -> Result<Vec<RawFd>> {
    let open_at_first = open_at_first.as_ref().map_err(|errno| *errno).or_fail(Step::Descriptors, LIST)?;
    let mut inherited = Vec::new();
    for Open { fd, file } in open_at_first.iter().filter(|it| !keep.contains(&it.fd)) {
        let is_passed_on = match sys::descriptor_flags(*fd) {
            Err(Errno::EBADF) => false,
            flags => flags.or_fail(Step::Descriptors, CLOSE)? & FD_CLOEXEC == 0,
        };
        if is_passed_on {
            match (sys::file_status(*fd).map(|status| status.id), *file) {
                (now, before) if now == before => inherited.push(*fd),
                (Ok(_), Ok(_)) => {}
                (Err(errno), _) | (_, Err(errno)) => return Err(Error::system(Step::Descriptors, CLOSE, errno)),
            }
        }
    }
    Ok(inherited)
}

const LIST: &str = "list open descriptors";
const CLOSE: &str = "close inherited descriptors";

/// Refuses a process that holds a record lock of fcntl(2), as SQLite holds one for as long as a database is open: fork(2) does not
/// pass it on, so that the daemon would write without it. Before descriptors are closed: with any one of a file go all locks on
/// it.
pub(crate) fn refuse_record_locks(inherited: &[RawFd]) -> Result<()> {
    let mut locked = None;
    // In the order of the visits.
    let mut inherited = inherited.iter().peekable();
    sys::visit_descriptors(&mut |fd| {
        if inherited.next_if_eq(&&fd).is_some() {
            return true;
        }
        let lock = sys::has_record_lock(fd);
        if lock == Ok(true) {
            locked = locked.or(Some(fd));
        }
        lock != Err(Errno::EBADF)
    })
    .or_fail(Step::Descriptors, LIST)?;
    let Some(fd) = locked else { return Ok(()) };
    let path = std::fs::read_link(format!("/proc/self/fd/{fd}"));
    let path = path.map_or(String::new(), |path| format!(" ({})", path.display()));
    let why = format!("descriptor {fd}{path} holds a record lock, which a fork does not pass on");
    Err(Error::new(Step::Descriptors, ErrorKind::Misuse, "become a daemon", why).advise("open it in main's body"))
}

/// Refuses a descriptor in `keep_fds` that is not open.
pub(crate) fn check_open(keep_fds: &[RawFd]) -> Result<()> {
    for fd in keep_fds {
        if let Err(errno) = sys::descriptor_flags(*fd) {
            let what = format!("keep descriptor {fd}");
            return Err(Error::new(Step::Descriptors, ErrorKind::InvalidOption, what, errno.desc())
                .advise("open it before the program starts, or take it out of keep_fds"));
        }
    }
    Ok(())
}
