//! What lies in a directory, so that a change of it is seen.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The directory itself and what is in it: kind and mode, owner, identity, size, and the times of the last changes.
pub fn listing(directory: &Path) -> BTreeMap<PathBuf, String> {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    let paths = entries.map(|entry| entry.expect("the directory can be read").path());
    let describe = |path: PathBuf| {
        let it = fs::symlink_metadata(&path).expect("what was listed is there");
        let what = format!(
            "{:o} of {}:{}, inode {}, {} bytes, modified {}.{}, changed {}.{}",
            it.mode(),
            it.uid(),
            it.gid(),
            it.ino(),
            it.size(),
            it.mtime(),
            it.mtime_nsec(),
            it.ctime(),
            it.ctime_nsec(),
        );
        (path, what)
    };
    paths.chain([directory.to_owned()]).map(describe).collect()
}
