//! The pid namespace, pid_namespaces(7), of the processes that a launch forks.

use std::fs;

use crate::error::{Error, ErrorKind, Result, Step};
use crate::sys::FileId;

/// Refuses a process whose children would be in another pid namespace than itself: `unshare -p` without `--fork`. The pids
/// that the launcher would be told are other processes here, and the first child's end is the end of all.
pub(crate) fn refuse_other_pid_namespace() -> Result<()> {
    let path = "/proc/self/ns/pid_for_children";
    let own = fs::metadata("/proc/self/ns/pid").map(|namespace| FileId::from(&namespace));
    // Before the first child it has no target yet. Linux before 4.12 has no such link.
    let of_children = fs::metadata(path).map(|namespace| FileId::from(&namespace));
    match (own, of_children, fs::symlink_metadata(path)) {
        (Ok(own), of_children, Ok(_)) if of_children.as_ref().ok() != Some(&own) => {
            let why = "its children are in another pid namespace than itself";
            Err(Error::new(Step::Launch, ErrorKind::Misuse, "become a daemon", why)
                .advise("start it by `unshare --fork`, or fork once after unshare(2)"))
        }
        _ => Ok(()),
    }
}
