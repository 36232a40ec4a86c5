//! The pid namespace, pid_namespaces(7), of the processes that a launch forks.

use std::fs;

use nix::errno::Errno;

use crate::errno::errno_of;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::sys::FileId;

/// Refuses a process whose children would be in another pid namespace than itself: `unshare -p` without `--fork`. The pids
/// that the launcher would be told are other processes here, and the first child's end is the end of all.
pub(crate) fn refuse_other_pid_namespace() -> Result<()> {
    let path = "/proc/self/ns/pid_for_children";
    let file_id = |path| fs::metadata(path).map(|namespace| FileId::from(&namespace)).map_err(|error| errno_of(&error));
    let differs = match (file_id("/proc/self/ns/pid"), file_id(path)) {
        (Ok(own), Ok(of_children)) => own != of_children,
        // Before the first child the link has no target yet. Linux before 4.12 has no such link.
        (Ok(_), Err(Errno::ENOENT)) => fs::symlink_metadata(path).is_ok(),
        // Without /proc it cannot be known.
        _ => false,
    };
    if !differs {
        return Ok(());
    }
    let why = "its children are in another pid namespace than itself";
    Err(Error::new(Step::Launch, ErrorKind::Misuse, "become a daemon", why)
        .advise("start it by `unshare --fork`, or fork once after unshare(2)"))
}
