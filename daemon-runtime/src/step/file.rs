//! How the files are opened whose names the user of the program chooses.

use std::os::fd::OwnedFd;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};

use crate::sys::retry;

/// No terminal becomes the controlling one, and a FIFO that nobody reads does not hang the start.
const FLAGS: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NOCTTY).union(OFlag::O_NONBLOCK);

/// Opens a file for a stream. Async-signal-safe.
///
/// Where root opens it for another user, a link in a directory of that user could stand for a file that is not his to
/// read or write. Then a symbolic link is ELOOP, and a file with several names EMLINK.
pub(crate) fn open_for_stream(
    path: &(impl NixPath + ?Sized),
    flags: OFlag,
    mode: Mode,
    for_another: bool,
) -> nix::Result<OwnedFd> {
    let no_link = if for_another { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let fd = retry(|| open(path, flags | FLAGS | no_link, mode))?;
    let stat = retry(|| fstat(&fd))?;
    match stat.st_nlink {
        // Of no use as a stream, and with a new root a way out of it.
        _ if file_type(&stat) == SFlag::S_IFDIR => Err(Errno::EISDIR),
        2.. if for_another => Err(Errno::EMLINK),
        _ => Ok(fd),
    }
}

pub(crate) fn is_regular(stat: &FileStat) -> bool {
    file_type(stat) == SFlag::S_IFREG
}

fn file_type(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}
