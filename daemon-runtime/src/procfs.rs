//! Files of proc(5).

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{major, minor};

use crate::errno::errno_of;

/// Reads one as text. A name in it, of a process or a mount, may be cut within a character, or be no text at all.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String, Errno> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(|error| errno_of(&error))
}

/// Whether a file system of this device is mounted with one of the options.
pub(crate) fn is_mounted_with(options: &[&str], device: u64) -> bool {
    let device = format!("{}:{}", major(device), minor(device));
    let is_option = |word: &str| word.split(',').any(|option| options.contains(&option));
    let mounts = read("/proc/self/mountinfo").unwrap_or_default();
    let mut of_device = mounts.lines().filter(|mount| mount.split(' ').nth(2) == Some(&*device));
    of_device.any(|mount| mount.rsplit(' ').next().is_some_and(is_option))
}
