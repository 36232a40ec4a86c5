//! Inherited descriptors: all are closed but those that somebody wants.

use std::fs;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc::FD_CLOEXEC;

use crate::error::{Error, ErrorKind, Result, Step, errno_of};
use crate::sys::{self, FileId, retry};

/// The first descriptor that is no standard stream.
const FIRST: RawFd = 3;

/// What the process was given, as opposed to what it has opened itself.
#[derive(Debug)]
pub(crate) enum Inherited {
    /// Everything that is open: the program has had no chance yet to open anything.
    All,
    /// These, unless the program has closed or replaced them by the time that they are to be closed.
    These(Vec<(RawFd, FileId)>),
    /// They could not be listed.
    Unknown(Errno),
}

impl Inherited {
    /// Notes what is inherited, before the program opens files of its own.
    pub(crate) fn list() -> Self {
        Self::read().map_or_else(Inherited::Unknown, Inherited::These)
    }

    fn read() -> nix::Result<Vec<(RawFd, FileId)>> {
        let mut these = Vec::new();
        for entry in retry(|| fs::read_dir("/proc/self/fd").map_err(|error| errno_of(&error)))? {
            let name = entry.map_err(|error| errno_of(&error))?.file_name();
            let number = name.to_str().and_then(|name| name.parse().ok()).filter(|fd| *fd >= FIRST);
            if let Some(fd) = number {
                these.extend(inherited_file_id(fd)?.map(|id| (fd, id)));
            }
        }
        Ok(these)
    }

    /// Closes them, except `keep`.
    pub(crate) fn close(self, mut keep: Vec<RawFd>) -> Result<()> {
        let failed = |errno| Error::system(Step::Descriptors, "close inherited descriptors", errno);
        match self {
            Inherited::All => {
                keep.sort_unstable();
                let mut first = FIRST;
                // One close_range a gap: the cost does not grow with the numbers, nor with RLIMIT_NOFILE.
                for fd in keep.into_iter().filter(|fd| *fd >= FIRST) {
                    if first < fd {
                        sys::close_inherited(first, fd - 1).map_err(failed)?;
                    }
                    first = fd + 1;
                }
                sys::close_inherited(first, RawFd::MAX).map_err(failed)
            }
            Inherited::These(these) => {
                keep.sort_unstable();
                for (fd, was) in these {
                    if keep.binary_search(&fd).is_err() && inherited_file_id(fd).map_err(failed)? == Some(was) {
                        sys::close_inherited(fd, fd).map_err(failed)?;
                    }
                }
                Ok(())
            }
            Inherited::Unknown(errno) => {
                Err(Error::system(Step::Descriptors, "list inherited descriptors in /proc/self/fd", errno)
                    .advise("mount /proc, or give only literals, which open nothing before the daemon starts"))
            }
        }
    }
}

/// What a descriptor refers to if it is open as exec has left it. What Rust opens has the close-on-exec flag.
fn inherited_file_id(fd: RawFd) -> nix::Result<Option<FileId>> {
    match sys::descriptor_flags(fd) {
        Ok(flags) if flags & FD_CLOEXEC == 0 => sys::file_id(fd).map(Some),
        Ok(_) | Err(Errno::EBADF) => Ok(None),
        Err(errno) => Err(errno),
    }
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
