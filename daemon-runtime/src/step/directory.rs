//! Root and working directory, and the file mode creation mask.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, chroot, fchdir};

use crate::error::{Error, Result, Step};
use crate::step::credentials::{CAP_SYS_CHROOT, not_permitted};
use crate::sys::{self, retry};

/// Sets the file mode creation mask, daemon(7), step 10: umask(2), which cannot fail.
pub(crate) fn set_umask(mask: u32) {
    umask(Mode::from_bits_truncate(mask));
}

/// Root and working directory, open since before the fork, so that a wrong path is an error at the terminal.
pub(crate) struct Directories {
    root: Option<Directory>,
    working_dir: WorkingDir,
}

enum WorkingDir {
    Open(Directory),
    /// A path inside the new root, where it names another directory than here.
    InRoot(PathBuf),
}

impl Directories {
    pub(crate) fn open(chroot: Option<&Path>, chdir: Option<&Path>) -> Result<Self> {
        let path = chdir.unwrap_or(Path::new("/"));
        let Some(root) = chroot else {
            let working_dir = WorkingDir::Open(Directory::open("change directory to", path)?);
            return Ok(Directories { root: None, working_dir });
        };
        if !sys::has_effective_capability(CAP_SYS_CHROOT) {
            return Err(not_permitted("change the root directory"));
        }
        let root = Directory::open("change root directory to", root)?;
        Ok(Directories { root: Some(root), working_dir: WorkingDir::InRoot(path.to_owned()) })
    }

    /// Changes the root, which needs root's rights, and then the working directory: daemon(7), step 11.
    pub(crate) fn enter(self) -> Result<()> {
        if let Some(root) = self.root {
            root.make_root()?;
        }
        match self.working_dir {
            WorkingDir::Open(directory) => directory.enter(),
            WorkingDir::InRoot(path) => retry(|| chdir(&path))
                .map_err(|errno| failed("change directory, inside the new root, to", &path, errno)),
        }
    }
}

struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    fn open(what: &str, path: &Path) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        // Its own entry, because that needs the right to enter it, which O_PATH alone does not.
        let fd = retry(|| open(&path.join("."), flags, Mode::empty())).map_err(|errno| failed(what, path, errno))?;
        Ok(Directory { path: path.to_owned(), fd })
    }

    /// chdir(2).
    fn enter(self) -> Result<()> {
        let failed = |errno| failed("change directory to", &self.path, errno);
        retry(|| fchdir(&self.fd)).map_err(failed)?;
        sys::close(self.fd).map_err(failed)
    }

    /// chroot(2). Until the chdir that must follow, the working directory is the new root.
    fn make_root(self) -> Result<()> {
        let path = self.path.clone();
        self.enter()?;
        retry(|| chroot(".")).map_err(|errno| failed("change root directory to", &path, errno))
    }
}

fn failed(what: &str, path: &Path, errno: nix::errno::Errno) -> Error {
    Error::system(Step::Directory, format!("{what} {}", path.display()), errno)
}
