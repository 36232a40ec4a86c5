//! Files of proc(5).

use std::fs;
use std::path::Path;

use nix::errno::Errno;

use crate::errno::errno_of;

/// Reads one as text. A name in it, of a process or a mount, may be cut within a character, or be no text at all.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String, Errno> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| errno_of(&error))
}
