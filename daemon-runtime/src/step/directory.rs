//! Root and working directory, and the file mode creation mask.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, chroot, fchdir};

use crate::error::{OrFail, Result, Step};
use crate::step::credentials::not_permitted;
use crate::sys::{self, Right, retry};

/// The mask, and root and working directory, open since before the fork, so that a wrong path is an error at the terminal. What is
/// `None` stays.
pub(crate) struct Directories<'a> {
    umask: Option<u32>,
    root: Option<Directory<'a>>,
    working_dir: Option<WorkingDir<'a>>,
}

enum WorkingDir<'a> {
    Open(Directory<'a>),
    /// A path inside the new root, where it names another directory than here.
    InRoot(&'a Path),
}

impl<'a> Directories<'a> {
    pub(crate) fn open(umask: Option<u32>, chroot: Option<&'a Path>, chdir: Option<&'a Path>) -> Result<Self> {
        let Some(root) = chroot else {
            let working_dir = chdir.map(|path| Directory::open(CHDIR, path).map(WorkingDir::Open)).transpose()?;
            return Ok(Directories { umask, root: None, working_dir });
        };
        if !sys::has_right(Right::Chroot) {
            return Err(not_permitted("change the root directory"));
        }
        let root = Some(Directory::open(CHROOT, root)?);
        let working_dir = WorkingDir::InRoot(chdir.unwrap_or(Path::new("/")));
        Ok(Directories { umask, root, working_dir: Some(working_dir) })
    }

    /// Sets the mask, daemon(7), step 10, and changes the root, which needs root's rights, and then the working directory: step 11.
    pub(crate) fn enter(self) -> Result<()> {
        // umask(2) cannot fail.
        self.umask.map(|mask| umask(Mode::from_bits_truncate(mask as _)));
        if let Some(root) = self.root {
            root.enter()?;
            // Until the chdir that must follow, the working directory is the new root.
            retry(|| chroot(".")).or_fail(Step::Directory, format_args!("{CHROOT} {}", root.path.display()))?;
        }
        match self.working_dir {
            None => Ok(()),
            Some(WorkingDir::Open(directory)) => directory.enter(),
            Some(WorkingDir::InRoot(path)) => retry(|| chdir(path))
                .or_fail(Step::Directory, format_args!("change directory, inside the new root, to {}", path.display())),
        }
    }
}

const CHDIR: &str = "change directory to";
const CHROOT: &str = "change root directory to";

struct Directory<'a> {
    path: &'a Path,
    fd: OwnedFd,
}

impl<'a> Directory<'a> {
    fn open(what: &str, path: &'a Path) -> Result<Self> {
        let flags = sys::SEARCH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        // Its own entry, because that needs the right to enter it, which O_PATH alone does not.
        let fd = retry(|| open(&path.join("."), flags, Mode::empty()))
            .or_fail(Step::Directory, format_args!("{what} {}", path.display()))?;
        Ok(Directory { path, fd })
    }

    fn enter(&self) -> Result<()> {
        retry(|| fchdir(&self.fd)).or_fail(Step::Directory, format_args!("{CHDIR} {}", self.path.display()))
    }
}
