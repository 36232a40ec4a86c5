//! What to do about a system call that failed.

use std::io;

use nix::errno::Errno;
use nix::unistd::geteuid;

use crate::error::ErrorKind;

const LACKING: &str = "this kernel, or a filter such as a container's, lacks the call";
/// What root can be told, who is permitted everything else.
const FORBIDDEN: &str =
    "this kernel, or a filter such as a container's, lacks the call, or a capability was taken away";
const IMMUTABLE: &str = "look for the flags of chattr(1), or for a filter that forbids it";

/// Returns what an error of this kind advises.
pub(crate) fn advice_for(error: &io::Error, kind: ErrorKind) -> &'static str {
    match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
        Errno::ENOSYS => LACKING,
        Errno::EPERM if geteuid().is_root() => match kind {
            ErrorKind::File => IMMUTABLE,
            _ => FORBIDDEN,
        },
        Errno::EPERM | Errno::EACCES => "give the user the right, or start as one who has it",
        // A directory most likely: /run is empty after each boot.
        Errno::ENOENT => "correct the path, or create what is missing",
        Errno::ENOTDIR | Errno::EISDIR | Errno::ELOOP | Errno::ENXIO | Errno::ENAMETOOLONG => "correct the path",
        Errno::EROFS => "choose a path on a file system that can be written to",
        Errno::ENOSPC | Errno::EDQUOT => "make room on the file system",
        Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE => "raise the limit, or try again later",
        _ => "see errno(3)",
    }
}
