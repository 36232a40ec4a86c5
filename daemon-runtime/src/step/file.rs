//! How the files are reached whose names the user of the program chooses: logs, stdin and the pid file.
//!
//! Root, and who starts a daemon for another user, must not be led elsewhere by somebody else's symbolic link. So they go one
//! component after the other, by openat(2) with O_NOFOLLOW, and over a link only if it is root's. What is opened is what was
//! reached. Handlers of signals, which reopen logs and remove the pid file, go the same way: all but [`FilePath::new`] and
//! [`FilePath::seen_in`] is async-signal-safe.

use std::ffi::{CStr, CString, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::libc;
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::errno::errno_of;
use crate::sys::{self, FileId, FileStatus, Pages, retry};

/// The path leads over a symbolic link that is not root's. No open(2) fails with this number.
pub(crate) const UNTRUSTED_LINK: Errno = Errno::ENOLINK;
/// The file has several names, where that is not allowed. No open(2) fails with this number.
pub(crate) const SEVERAL_NAMES: Errno = Errno::EMLINK;

/// As many links as the kernel follows: path_resolution(7).
const MAX_LINKS: usize = 40;
/// No terminal becomes the controlling one, a FIFO that nobody reads does not hang the start, and a file may be larger than
/// 2 GiB on a machine of 32 bits.
const FLAGS: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NOCTTY).union(OFlag::O_NONBLOCK).union(OFlag::O_LARGEFILE);

/// Returns what is written for a reason, also for those that errno(3) has no words for.
pub(crate) fn describe(reason: Errno) -> &'static str {
    match reason {
        UNTRUSTED_LINK => "a symbolic link on the way is not root's",
        SEVERAL_NAMES => "it has several names",
        Errno::ELOOP => "it is a symbolic link",
        _ => reason.desc(),
    }
}

/// For a component of a path, the slash before the first one, and a NUL.
const NAME_SIZE: usize = libc::NAME_MAX as usize + 2;

/// The path of a file, and how it is gone.
#[derive(Clone, Debug)]
pub(crate) struct FilePath {
    /// Absolute; empty, which leads nowhere, where a new root hides the file.
    path: CString,
    /// Whether the file is opened for another user.
    for_another: bool,
    /// Whether a link at its end is followed.
    follows_last: bool,
    /// The owner of `/`, who is root too: in a user namespace root has another number. Not of a new root, which may be a user's.
    root: libc::uid_t,
}

impl FilePath {
    /// Makes a path absolute: the daemon has another working directory.
    pub(crate) fn new(path: &Path, for_another: bool, follows_last: bool) -> nix::Result<Self> {
        let mut path = std::path::absolute(path).map_err(|error| errno_of(&error))?.into_os_string().into_vec();
        if path.ends_with(b"/") {
            // Of a directory: its own entry, which cannot be opened as a file.
            path.push(b'.');
        }
        let path = CString::new(path).map_err(|_| Errno::EINVAL)?;
        Ok(FilePath { path, for_another, follows_last, root: sys::file_status_at(AT_FDCWD, c"/")?.owner })
    }

    /// Returns the path that the opened file has inside a new root.
    pub(crate) fn seen_in(self, root: Option<&Path>, file: FileId) -> Self {
        let Some(root) = root else { return self };
        let inside = || {
            let whole = Path::new(self.as_os_str()).canonicalize().ok()?;
            // Links may be another's. What has no link in it is trusted if it leads to the file.
            let reached = FilePath::new(&whole, self.for_another, false).ok()?.status().ok()?;
            let rest = whole.strip_prefix(root.canonicalize().ok()?).ok().filter(|_| reached.id == file)?;
            CString::new(Path::new("/").join(rest).into_os_string().into_vec()).ok()
        };
        FilePath { path: inside().unwrap_or_default(), ..self }
    }

    pub(crate) fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(self.path.to_bytes())
    }

    /// Opens the file. A link at its end that is not followed is ELOOP.
    pub(crate) fn open(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        let mut name = [0; NAME_SIZE];
        let entry = self.reach(&mut name)?;
        let no_link = if entry.follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
        retry(|| openat(entry.directory(), entry.name, flags | FLAGS | no_link, mode))
    }

    /// Opens the file for a stream.
    ///
    /// Where it is opened for another user, a link in a directory of that user could stand for a file that is not his to
    /// read or write. Then a symbolic link is ELOOP, and a file with several names [`SEVERAL_NAMES`].
    pub(crate) fn open_for_stream(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        let fd = self.open(flags, mode)?;
        let status = sys::file_status(fd.as_raw_fd())?;
        match status.names {
            // Of no use as a stream, and with a new root a way out of it.
            _ if status.kind == libc::S_IFDIR => Err(Errno::EISDIR),
            2.. if self.for_another => Err(SEVERAL_NAMES),
            _ => Ok(fd),
        }
    }

    /// Creates the file, and opens it. For another user it must not be what somebody has put there in the meantime: it is given
    /// away.
    pub(crate) fn create(&self, flags: OFlag, mode: Mode) -> nix::Result<OwnedFd> {
        // Where the kernel follows a link at the end, that may lead nowhere yet.
        let exclusive = if self.follows_last && !self.is_walked() { OFlag::empty() } else { OFlag::O_EXCL };
        self.open(flags | OFlag::O_CREAT | exclusive, mode)
    }

    /// Looks at the file.
    pub(crate) fn status(&self) -> nix::Result<FileStatus> {
        self.reach(&mut [0; NAME_SIZE])?.status()
    }

    /// Removes the file if it is the one that is meant; ENOENT if not.
    pub(crate) fn remove_if(&self, is_meant: impl FnOnce(FileStatus) -> bool) -> nix::Result<()> {
        let mut name = [0; NAME_SIZE];
        let entry = self.reach(&mut name)?;
        match is_meant(entry.status()?) {
            true => retry(|| unlinkat(entry.directory(), entry.name, UnlinkatFlags::NoRemoveDir)),
            false => Err(Errno::ENOENT),
        }
    }

    /// Whether the directory gives its own group to new files: the set-group-ID bit of inode(7). Only known of a file for
    /// another user.
    pub(crate) fn is_in_setgid_directory(&self) -> bool {
        let mut name = [0; NAME_SIZE];
        let entry = self.reach(&mut name);
        entry.and_then(|entry| sys::file_status(entry.directory().as_raw_fd())).is_ok_and(|status| status.is_setgid)
    }

    /// Whether this crate looks at each component, and not the kernel, which gives other users no more rights than they have
    /// anyway.
    fn is_walked(&self) -> bool {
        self.for_another || geteuid().is_root()
    }

    /// Returns the entry of the last directory that the path leads to. `buffer` is for its name.
    fn reach<'a>(&'a self, buffer: &'a mut [u8; NAME_SIZE]) -> nix::Result<Entry<'a>> {
        if !self.is_walked() || self.path.is_empty() {
            return Ok(Entry { directory: None, name: &self.path, follow: self.follows_last });
        }
        let (mut rest, mut reached, mut links) = (Rest::of(&self.path)?, None, 0);
        let follow = loop {
            let directory = reached.as_ref().map_or(AT_FDCWD, OwnedFd::as_fd);
            let name = rest.next(buffer)?;
            let is_last = rest.is_empty();
            if is_last && !self.follows_last {
                break false;
            }
            if !is_last {
                match open_path(directory, name, OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW) {
                    // So is a symbolic link.
                    Err(Errno::ENOTDIR) => {}
                    opened => {
                        reached = Some(opened?);
                        continue;
                    }
                }
            }
            let link = match open_path(directory, name, OFlag::O_NOFOLLOW) {
                Err(Errno::ENOENT) if is_last => break false,
                found => found?,
            };
            let status = sys::file_status(link.as_raw_fd())?;
            if status.kind != libc::S_IFLNK {
                if is_last {
                    break false;
                }
                return Err(Errno::ENOTDIR);
            }
            links += 1;
            // In a user namespace all users that it does not know look like the owner of `/`; in a directory like /tmp, which
            // is everybody's, the link may be any of theirs.
            let is_shared = || match &reached {
                Some(directory) => sys::file_status(directory.as_raw_fd()).is_ok_and(|status| status.is_sticky_for_all),
                None => false,
            };
            if status.owner != 0 && (status.owner != self.root || is_shared()) {
                return Err(UNTRUSTED_LINK);
            } else if links > MAX_LINKS {
                return Err(Errno::ELOOP);
            } else if !fstatfs(&link).is_ok_and(|system| system.filesystem_type() == PROC_SUPER_MAGIC) {
                rest.prepend(|room| sys::link_target(link.as_fd(), room))?;
            } else if is_last {
                // A link of the kernel's, such as /proc/self/fd/1, leads to more than its text says.
                break true;
            } else {
                reached = Some(open_path(directory, name, OFlag::O_DIRECTORY)?);
            }
        };
        let name = CStr::from_bytes_until_nul(buffer).map_err(|_| Errno::ENAMETOOLONG)?;
        Ok(Entry { directory: reached, name, follow })
    }
}

/// A name in a directory.
struct Entry<'a> {
    /// `None` is the working directory, or `/` where the name begins with a slash.
    directory: Option<OwnedFd>,
    name: &'a CStr,
    /// Whether a link of that name is to be followed.
    follow: bool,
}

impl Entry<'_> {
    fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().map_or(AT_FDCWD, OwnedFd::as_fd)
    }

    fn status(&self) -> nix::Result<FileStatus> {
        sys::file_status_at(self.directory(), self.name)
    }
}

fn open_path(from: BorrowedFd<'_>, name: &CStr, flags: OFlag) -> nix::Result<OwnedFd> {
    retry(|| openat(from, name, flags | OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()))
}

/// What is left of a path.
struct Rest {
    /// Filled from its end.
    bytes: Pages,
    start: usize,
}

impl Rest {
    fn of(path: &CStr) -> nix::Result<Self> {
        let (mut rest, path) = (Rest { bytes: Pages::new()?, start: Pages::SIZE }, path.to_bytes());
        rest.prepend(|room| {
            room.get_mut(..path.len()).ok_or(Errno::ENAMETOOLONG)?.copy_from_slice(path);
            Ok(path.len())
        })?;
        Ok(rest)
    }

    fn is_empty(&self) -> bool {
        self.start == Pages::SIZE
    }

    /// Puts a path in front, which `write` writes.
    fn prepend(&mut self, write: impl FnOnce(&mut [u8]) -> nix::Result<usize>) -> nix::Result<()> {
        let (bytes, end) = (self.bytes.bytes_mut(), self.start);
        let length = write(&mut bytes[..end])?;
        // What fills the room may have been cut.
        self.start = end.checked_sub(length + 1).ok_or(Errno::ENAMETOOLONG)?;
        bytes.copy_within(..length, self.start);
        bytes[end - 1] = b'/';
        // The first component keeps its slash, so that openat(2) begins at `/`. Not with a descriptor of `/`: emulators with a
        // directory for the libraries of another system (`qemu-user -L`) open that instead.
        self.start += leading_slashes(&bytes[self.start..]).saturating_sub(1);
        Ok(())
    }

    /// Removes the first component, and returns it.
    fn next<'n>(&mut self, buffer: &'n mut [u8; NAME_SIZE]) -> nix::Result<&'n CStr> {
        let rest = &self.bytes.bytes_mut()[self.start..];
        let slash = leading_slashes(rest);
        let length = slash + rest[slash..].iter().position(|byte| *byte == b'/').unwrap_or(0);
        let name = buffer.get_mut(..=length).ok_or(Errno::ENAMETOOLONG)?;
        name[..length].copy_from_slice(&rest[..length]);
        name[length] = 0;
        self.start += length + leading_slashes(&rest[length..]);
        CStr::from_bytes_with_nul(&buffer[..=length]).map_err(|_| Errno::EINVAL)
    }
}

fn leading_slashes(path: &[u8]) -> usize {
    path.iter().take_while(|byte| **byte == b'/').count()
}
