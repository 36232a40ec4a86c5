//! Root and working directory, and the file mode creation mask.

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, chroot, fchdir};

use crate::error::{OrFail, Result, Step};
use crate::step::credentials::not_permitted;
use crate::sys::{self, Right, retry};

/// The mask, and root and working directory, open since before the fork, so that a wrong path is an error at the terminal. What is
/// `None` stays.
pub(crate) struct Directories {
    umask: Option<u32>,
    root: Option<Directory>,
    working_dir: Option<WorkingDir>,
}

enum WorkingDir {
    Open(Directory),
    /// A path inside the new root, where it names another directory than here.
    InRoot(PathBuf),
}

impl Directories {
    pub(crate) fn open(umask: Option<u32>, chroot: Option<&Path>, chdir: Option<&Path>) -> Result<Self> {
        let Some(root) = chroot else {
            let working_dir = chdir.map(|path| Directory::open(CHDIR, path).map(WorkingDir::Open)).transpose()?;
            return Ok(Directories { umask, root: None, working_dir });
        };
        if !sys::has_right(Right::Chroot) {
            return Err(not_permitted("change the root directory"));
        }
        let root = Some(Directory::open(CHROOT, root)?);
        let working_dir = WorkingDir::InRoot(chdir.unwrap_or(Path::new("/")).to_owned());
        Ok(Directories { umask, root, working_dir: Some(working_dir) })
    }

    /// Sets the mask, daemon(7), step 10, and changes the root, which needs root's rights, and then the working directory: step 11.
    pub(crate) fn enter(self) -> Result<()> {
        // umask(2) cannot fail.
        self.umask.map(|mask| umask(Mode::from_bits_truncate(mask as _)));
        if let Some(root) = self.root {
            root.enter()?;
            // Until the chdir that must follow, the working directory is the new root.
            retry(|| chroot(".")).or_fail(Step::Directory, step(CHROOT, &root.path))?;
        }
        match self.working_dir {
            None => Ok(()),
            Some(WorkingDir::Open(directory)) => directory.enter(),
            Some(WorkingDir::InRoot(path)) => retry(|| chdir(&path))
                .or_fail(Step::Directory, step("change directory, inside the new root, to", &path)),
        }
    }
}

const CHDIR: &str = "change directory to";
const CHROOT: &str = "change root directory to";

struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    fn open(what: &str, path: &Path) -> Result<Self> {
        let flags = sys::SEARCH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        // Its own entry, because that needs the right to enter it, which O_PATH alone does not.
        let fd = retry(|| open(&path.join("."), flags, Mode::empty())).or_fail(Step::Directory, step(what, path))?;
        Ok(Directory { path: path.to_owned(), fd })
    }

    fn enter(&self) -> Result<()> {
        retry(|| fchdir(&self.fd)).or_fail(Step::Directory, step(CHDIR, &self.path))
    }
}

fn step(what: &str, path: &Path) -> impl Display {
    format!("{what} {}", path.display())
}
