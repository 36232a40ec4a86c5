//! Inherited descriptors: all are closed but those that somebody wants.

use std::fs;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc::{FD_CLOEXEC, dev_t, ino_t};

use crate::error::{Error, Result, Step, code};
use crate::sys;

/// The first descriptor that is no standard stream.
const FIRST: RawFd = 3;

/// What the process was given, as opposed to what it has opened itself.
#[derive(Debug)]
pub(crate) enum Inherited {
    /// Everything that is open: the program has had no chance yet to open anything.
    All,
    /// These, unless the program has closed or replaced them by the time that they are to be closed.
    These(Vec<(RawFd, (dev_t, ino_t))>),
    /// They could not be listed.
    Unknown(Errno),
}

impl Inherited {
    /// Notes what is inherited, before the program opens files of its own.
    pub(crate) fn list() -> Self {
        let Ok(numbers) = fs::read_dir("/proc/self/fd") else {
            return Inherited::Unknown(Errno::last());
        };
        let mut these = Vec::new();
        for number in numbers {
            let number = match number {
                Ok(entry) => entry.file_name().to_str().and_then(|name| name.parse().ok()),
                Err(_) => return Inherited::Unknown(Errno::last()),
            };
            let Some(fd) = number.filter(|fd| *fd >= FIRST) else { continue };
            if is_given(fd) {
                these.extend(sys::identity(fd).map(|identity| (fd, identity)));
            }
        }
        Inherited::These(these)
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
                let untouched = |(fd, was): (RawFd, _)| {
                    let still = is_given(fd) && sys::identity(fd).is_ok_and(|is| is == was);
                    (still && !keep.contains(&fd)).then_some(fd)
                };
                let mut fds = these.into_iter().filter_map(untouched);
                fds.try_for_each(|fd| sys::close_inherited(fd, fd).map_err(failed))
            }
            Inherited::Unknown(errno) => {
                Err(Error::system(Step::Descriptors, "list inherited descriptors in /proc/self/fd", errno)
                    .advise("mount /proc, or open nothing before the daemon starts (no `setup`)"))
            }
        }
    }
}

/// Whether a descriptor is open as exec has left it. What Rust opens has the close-on-exec flag.
fn is_given(fd: RawFd) -> bool {
    sys::descriptor_flags(fd).is_ok_and(|flags| flags & FD_CLOEXEC == 0)
}

/// Refuses a descriptor in `keep_fds` that is not open.
pub(crate) fn check_open(keep_fds: &[RawFd]) -> Result<()> {
    for fd in keep_fds {
        if let Err(errno) = sys::descriptor_flags(*fd) {
            let what = format!("keep descriptor {fd}");
            return Err(Error::new(Step::Descriptors, code::USAGE, what, errno.desc())
                .advise("open it before the program starts, or take it out of keep_fds"));
        }
    }
    Ok(())
}
