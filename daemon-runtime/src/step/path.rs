//! How the files are reached whose names the user of the program chooses: logs, stdin and the pid file.
//!
//! Root, and who starts a daemon for another user, must not be led elsewhere by somebody else's symbolic link. So the launcher
//! goes one component after the other, by openat(2), and over a link only if it is root's; what is opened is what was reached.
//! Everybody else's files are opened as any program opens them: the kernel gives them no more rights than they have.

use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag};
use nix::libc;
use nix::sys::stat::{FchmodatFlags, Mode, fchmod, fchmodat, mkdirat};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::sys::{self, FileStatus};

/// The path leads over a symbolic link that is not root's. No open(2) fails with this number.
pub(crate) const UNTRUSTED_LINK: Errno = Errno::EDOM;
/// The file has several names, where that is not allowed. No open(2) fails with this number.
pub(crate) const SEVERAL_NAMES: Errno = Errno::EMLINK;

/// What ENOENT means for a file that would be created.
pub(crate) const NO_DIRECTORY: &str = "its directory does not exist";

/// As many links as the kernel follows: path_resolution(7).
const MAX_LINKS: usize = 40;
/// No terminal becomes the controlling one, a FIFO that nobody reads does not hang the start, and a file may be larger than
/// 2 GiB on a machine of 32 bits.
pub(crate) const FLAGS: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NOCTTY).union(OFlag::O_NONBLOCK).union(sys::LARGE_FILE);

/// Returns what is written for a reason, also for those that errno(3) has no words for.
pub(crate) fn describe(reason: Errno) -> &'static str {
    match reason {
        UNTRUSTED_LINK => "a symbolic link on the way is not root's",
        SEVERAL_NAMES => "it has several names",
        Errno::ELOOP => "it is a symbolic link",
        _ => reason.desc(),
    }
}

/// For whom a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum For {
    /// The user who starts the daemon, and who runs it.
    Oneself,
    /// The user or group that the daemon is to become. A link in a directory of that user could stand for a file that is not
    /// his to read or write.
    Another,
}

/// The entry of a directory that a path leads to.
pub(crate) struct Place {
    /// `None` is the working directory, and the name may be a whole path.
    directory: Option<OwnedFd>,
    name: OsString,
    /// Whether the kernel follows a symbolic link there.
    follows: bool,
}

impl Place {
    /// Finds the place of a file that must not be a symbolic link.
    pub(crate) fn of_file(path: &Path, who: For) -> nix::Result<Self> {
        match who == For::Another || geteuid().is_root() {
            true => walk(path, false),
            false => Ok(Place { directory: None, name: absolute(path)?, follows: false }),
        }
    }

    /// Finds the place of a stream, which may be a symbolic link, but not for another user.
    pub(crate) fn of_stream(path: &Path, who: For) -> nix::Result<Self> {
        match who {
            For::Another => walk(path, false),
            For::Oneself if geteuid().is_root() => walk(path, true),
            For::Oneself => Ok(Place { directory: None, name: absolute(path)?, follows: true }),
        }
    }

    /// Opens the file. A link that is not followed is ELOOP.
    pub(crate) fn open(&self, flags: OFlag) -> nix::Result<OwnedFd> {
        self.open_or_create(flags, Mode::empty())
    }

    /// Creates the file, and opens it. What somebody has put there in the meantime is EEXIST.
    pub(crate) fn create(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        // Where the kernel follows a link, that may lead nowhere yet.
        let exclusive = if self.follows { OFlag::empty() } else { OFlag::O_EXCL };
        self.open_or_create(flags | OFlag::O_CREAT | exclusive, mode)
    }

    fn open_or_create(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        let no_link = if self.follows { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        sys::open_at(self.directory(), &*self.name, flags | FLAGS | no_link, mode)
    }

    /// Looks at the file.
    pub(crate) fn status(&self) -> nix::Result<FileStatus> {
        let name = CString::new(self.name.as_bytes()).map_err(|_| Errno::EINVAL)?;
        sys::file_status_at(self.directory(), &name)
    }

    /// Removes the file.
    pub(crate) fn remove(&self) -> nix::Result<()> {
        unlinkat(self.directory(), &*self.name, UnlinkatFlags::NoRemoveDir)
    }

    fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().map_or(AT_FDCWD, OwnedFd::as_fd)
    }
}

/// Creates the missing directories of a file, with mode 0755. The last one is given away.
pub(crate) fn create_directories(
    file: &Path,
    who: For,
    give_away: impl Fn(&OwnedFd) -> nix::Result<()>,
) -> nix::Result<()> {
    const MODE: Mode = Mode::from_bits_truncate(0o755);
    // As root, it must be the new one that is given away, also where somebody else may rename what is in the directory: no other one
    // of root's has this mode.
    const NEW_MODE: Mode = Mode::from_bits_truncate(0o400);
    let file = absolute(file)?;
    let is_missing =
        |path: &&Path| Place::of_file(path, who).and_then(|place| place.status()).err() == Some(Errno::ENOENT);
    let mut missing: Vec<&Path> = Path::new(&file).ancestors().skip(1).take_while(is_missing).collect();
    while let Some(directory) = missing.pop() {
        let place = Place::of_file(directory, who)?;
        match mkdirat(place.directory(), &*place.name, NEW_MODE) {
            // Another start has created it in between.
            Err(Errno::EEXIST) => continue,
            made => made?,
        }
        if !geteuid().is_root() {
            // The mask may forbid to open it. File systems without modes refuse this, which is no reason not to start.
            let _ = fchmodat(place.directory(), &*place.name, MODE, FchmodatFlags::FollowSymlink);
        }
        let made = place.open(OFlag::O_DIRECTORY)?;
        if geteuid().is_root() {
            let status = sys::file_status(made.as_raw_fd())?;
            // A directory of the group's passes on that it is one.
            if status.owner != 0 || status.permissions & !(NEW_MODE.bits() | libc::S_ISGID) != 0 {
                // Another one has its name by now, or the file system has neither owners nor modes.
                continue;
            }
            fchmod(&made, MODE)?;
        }
        if missing.is_empty() {
            give_away(&made)?;
        }
    }
    Ok(())
}

/// Goes along a path, one component after the other.
fn walk(path: &Path, follows_last: bool) -> nix::Result<Place> {
    let root = sys::file_status_at(AT_FDCWD, c"/")?.owner;
    let mut rest = components(&absolute(path)?);
    let mut directory = open_directory(AT_FDCWD, OsStr::new("/"))?;
    let mut links = 0;
    while let Some(name) = rest.pop() {
        let is_last = rest.is_empty();
        if is_last && !follows_last {
            return Ok(Place { directory: Some(directory), name, follows: false });
        }
        let not_a_directory = match is_last {
            true => None,
            false => match open_directory(directory.as_fd(), &name) {
                Ok(next) => {
                    directory = next;
                    continue;
                }
                Err(errno) => Some(errno),
            },
        };
        let (link, target) = match (sys::look_at(directory.as_fd(), &name), not_a_directory) {
            (Ok(Some(link)), _) => link,
            (Ok(None) | Err(Errno::ENOENT), None) => {
                return Ok(Place { directory: Some(directory), name, follows: false });
            }
            (Ok(None), Some(errno)) | (Err(errno), _) => return Err(errno),
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(Errno::ELOOP);
        }
        // Root has another number in a user namespace: that of the owner of `/`. There all users that it does not know look like
        // that one; in a directory like /tmp, which is everybody's, the link may be any of theirs.
        let shared = libc::S_ISVTX | libc::S_IWOTH;
        let is_shared = sys::file_status(directory.as_raw_fd())?.permissions & shared == shared;
        if link.owner != 0 && (link.owner != root || is_shared) {
            return Err(UNTRUSTED_LINK);
        }
        match target {
            Some(target) => {
                if target.as_bytes().starts_with(b"/") {
                    directory = open_directory(AT_FDCWD, OsStr::new("/"))?;
                }
                rest.extend(components(&target));
            }
            None if is_last => return Ok(Place { directory: Some(directory), name, follows: true }),
            None => {
                directory = sys::open_at(directory.as_fd(), &*name, sys::SEARCH | OFlag::O_DIRECTORY, Mode::empty())?;
            }
        }
    }
    // `/` itself.
    Ok(Place { directory: Some(directory), name: ".".into(), follows: false })
}

fn open_directory(from: BorrowedFd<'_>, name: &OsStr) -> nix::Result<OwnedFd> {
    sys::open_at(from, name, sys::SEARCH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW, Mode::empty())
}

/// Returns the components of a path, the first one last. What ends with a slash is a directory.
fn components(path: &OsStr) -> Vec<OsString> {
    let names = path.as_bytes().split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    let mut names: Vec<OsString> = names.map(|name| OsStr::from_bytes(name).to_owned()).collect();
    // The first one stays absolute: for `/` an emulator with a directory of libraries (qemu-user, -L) opens that one.
    if let (Some(first), true) = (names.first_mut(), path.as_bytes().starts_with(b"/")) {
        *first = Path::new("/").join(&*first).into();
    }
    if path.as_bytes().ends_with(b"/") {
        names.push(".".into());
    }
    names.reverse();
    names
}

/// Makes a path absolute: the daemon has another working directory.
pub(crate) fn absolute(path: &Path) -> nix::Result<OsString> {
    let mut path = std::path::absolute(path).map_err(|error| sys::errno_of(&error))?.into_os_string();
    if path.as_bytes().ends_with(b"/") {
        // Of a directory: its own entry, which cannot be opened as a file.
        path.push(".");
    }
    // By a longer one the daemon could not reach it.
    if path.len() < libc::PATH_MAX as usize { Ok(path) } else { Err(Errno::ENAMETOOLONG) }
}

/// Returns the path by which the daemon, perhaps in a new root, reaches a file; empty, which leads nowhere, where that root hides
/// it.
pub(crate) fn path_in_daemon(path: &Path, root: Option<&Path>) -> CString {
    let seen = || match root {
        None => absolute(path).ok(),
        Some(root) => {
            let (whole, root) = (path.canonicalize().ok()?, root.canonicalize().ok()?);
            Some(Path::new("/").join(whole.strip_prefix(root).ok()?).into_os_string())
        }
    };
    seen().and_then(|path| CString::new(path.into_vec()).ok()).unwrap_or_default()
}
