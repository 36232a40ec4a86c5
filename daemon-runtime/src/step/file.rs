//! How the files are reached whose names the user of the program chooses: logs, stdin and the pid file.
//!
//! Root must not be led elsewhere by somebody else's symbolic link. So a path is [resolved](resolve) once, over links of
//! root's alone, and what it came to is then opened one component after the other, without any link: openat(2) with
//! O_NOFOLLOW. The handlers of signals, which open logs and remove the pid file, do the same with the resolved path: all but
//! `resolve` is async-signal-safe.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsString};
use std::fs;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, geteuid, unlinkat};

use crate::errno::errno_of;
use crate::sys::{self, FileStatus, retry};

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

/// Makes a path absolute and, for root, free of links; each link that it leads over must be root's. A link at its end is
/// only followed with `follow_last`.
pub(crate) fn resolve(path: &Path, follow_last: bool) -> nix::Result<CString> {
    let absolute = std::path::absolute(path).map_err(|error| errno_of(&error))?;
    let resolved = if geteuid().is_root() { resolve_links(&absolute, follow_last)? } else { absolute };
    CString::new(resolved.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn resolve_links(absolute: &Path, follow_last: bool) -> nix::Result<PathBuf> {
    let components = |path: &Path| path.iter().map(OsString::from).collect::<VecDeque<_>>();
    // The owner of `/` is root too: in a user namespace it has another number.
    let root = fs::metadata("/").map_err(|error| errno_of(&error))?.uid();
    let (mut resolved, mut rest, mut links) = (PathBuf::new(), components(absolute), 0);
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            resolved.pop();
            continue;
        }
        // An absolute target begins again at `/`.
        let next = resolved.join(&name);
        // What cannot be looked at cannot be opened either, which says why.
        let link = fs::symlink_metadata(&next).ok().filter(|found| found.is_symlink());
        match link {
            // A link of the kernel's, such as /proc/self/fd/1, is not followed by its text.
            Some(_) if rest.is_empty() && next.starts_with("/proc") => resolved = next,
            Some(link) if !rest.is_empty() || follow_last => {
                links += 1;
                if links > MAX_LINKS {
                    return Err(Errno::ELOOP);
                }
                if ![0, root].contains(&link.uid()) {
                    return Err(UNTRUSTED_LINK);
                }
                let target = fs::read_link(&next).map_err(|error| errno_of(&error))?;
                let mut whole = components(&target);
                whole.append(&mut rest);
                rest = whole;
            }
            _ => resolved = next,
        }
    }
    Ok(resolved)
}

/// Opens the file at a resolved path. A link at its end is ELOOP, unless it may be followed.
pub(crate) fn open_resolved(path: &CStr, flags: OFlag, mode: Mode, follow_last: bool) -> nix::Result<OwnedFd> {
    let (directory, name) = walk(path)?;
    // Root has followed the others when the path was resolved.
    let follow = follow_last && (!geteuid().is_root() || path.to_bytes().starts_with(b"/proc/"));
    let no_link = if follow { OFlag::empty() } else { OFlag::O_NOFOLLOW };
    retry(|| openat(at(&directory), name, flags | FLAGS | no_link, mode))
}

/// Looks at the file at a resolved path. A link at its end is not followed.
pub(crate) fn status_of_resolved(path: &CStr) -> nix::Result<FileStatus> {
    let (directory, name) = walk(path)?;
    sys::file_status_at(at(&directory), name)
}

pub(crate) fn unlink_resolved(path: &CStr) -> nix::Result<()> {
    let (directory, name) = walk(path)?;
    retry(|| unlinkat(at(&directory), name, UnlinkatFlags::NoRemoveDir))
}

/// For root: the directory of a resolved path, reached without any link, and the last component. For others, to whom the
/// kernel gives no more rights than they have anyway: the path as it is.
fn walk(path: &CStr) -> nix::Result<(Option<OwnedFd>, &CStr)> {
    let bytes = path.to_bytes_with_nul();
    if !geteuid().is_root() || bytes[0] != b'/' {
        return Ok((None, path));
    }
    // The first component keeps its slash: emulators with a directory for the libraries of another system (`qemu-user -L`)
    // take that for `/`.
    let (mut directory, mut start) = (None, 0);
    while let Some(length) = bytes[start.max(1)..].iter().position(|byte| *byte == b'/') {
        let end = start.max(1) + length;
        let mut name = [0; libc::NAME_MAX as usize + 2];
        name[..libc::NAME_MAX as usize + 1]
            .get_mut(..end - start)
            .ok_or(Errno::ENAMETOOLONG)?
            .copy_from_slice(&bytes[start..end]);
        let name = CStr::from_bytes_until_nul(&name).map_err(|_| Errno::ENAMETOOLONG)?;
        directory = Some(open_directory(at(&directory), name)?);
        start = end + 1;
    }
    let name = CStr::from_bytes_with_nul(&bytes[start..]).map_err(|_| Errno::EINVAL)?;
    Ok((directory, name))
}

fn open_directory(from: BorrowedFd<'_>, name: &CStr) -> nix::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    retry(|| openat(from, name, flags, Mode::empty()))
}

fn at(directory: &Option<OwnedFd>) -> BorrowedFd<'_> {
    directory.as_ref().map_or(AT_FDCWD, AsFd::as_fd)
}

/// Opens a file for a stream, by its resolved path.
///
/// Where root opens it for another user, a link in a directory of that user could stand for a file that is not his to
/// read or write. Then a symbolic link is ELOOP, and a file with several names [`SEVERAL_NAMES`].
pub(crate) fn open_for_stream(path: &CStr, flags: OFlag, mode: Mode, for_another: bool) -> nix::Result<OwnedFd> {
    let fd = open_resolved(path, flags, mode, !for_another)?;
    let status = sys::file_status(fd.as_raw_fd())?;
    match status.names {
        // Of no use as a stream, and with a new root a way out of it.
        _ if status.kind == libc::S_IFDIR => Err(Errno::EISDIR),
        2.. if for_another => Err(SEVERAL_NAMES),
        _ => Ok(fd),
    }
}
