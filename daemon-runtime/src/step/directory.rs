//! Where the daemon is: file mode creation mask, root and working directory.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, chroot, fchdir};

use crate::error::{Error, Result, Step};
use crate::sys::{self, retry};

/// umask(2), which cannot fail.
pub(crate) fn set_umask(mask: u32) {
    umask(Mode::from_bits_truncate(mask));
}

/// A directory that was asked for, open since before the fork, so that a wrong path is an error at the terminal.
pub(crate) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    pub(crate) fn open(what: &str, path: &Path) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        // Its own entry, because that needs the right to enter it, which O_PATH alone does not.
        let fd = retry(|| open(&path.join("."), flags, Mode::empty())).map_err(|errno| failed(what, path, errno))?;
        Ok(Directory { path: path.to_owned(), fd })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// chdir(2).
    pub(crate) fn enter(self) -> Result<()> {
        let failed = |errno| failed("change directory to", &self.path, errno);
        retry(|| fchdir(&self.fd)).map_err(failed)?;
        sys::close(self.fd).map_err(failed)
    }

    /// chroot(2). Until the chdir that must follow, the working directory is the new root.
    pub(crate) fn make_root(self) -> Result<()> {
        let path = self.path.clone();
        self.enter()?;
        retry(|| chroot(".")).map_err(|errno| failed("change root directory to", &path, errno))
    }
}

/// chdir(2) to a path inside a new root, which could not be opened before.
pub(crate) fn enter(path: &Path) -> Result<()> {
    retry(|| chdir(path)).map_err(|errno| failed("change directory, inside the new root, to", path, errno))
}

/// What an absolute path is called inside a new root, if it can be reached there. A path with `..` may lead elsewhere.
pub(crate) fn inside(root: Option<&Path>, path: &Path) -> Option<PathBuf> {
    let Some(root) = root else { return Some(path.to_owned()) };
    let rest = path.strip_prefix(root).ok()?;
    rest.components().all(|part| matches!(part, Component::Normal(_))).then(|| Path::new("/").join(rest))
}

fn failed(what: &str, path: &Path, errno: nix::errno::Errno) -> Error {
    Error::system(Step::Directory, format!("{what} {}", path.display()), errno)
}
