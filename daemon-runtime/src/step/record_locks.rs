//! Record locks of fcntl(2), as SQLite holds one for as long as a database is open. fork(2) does not pass them on, so that the
//! daemon would write without them.

use std::fs;
use std::os::fd::RawFd;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result, Step};
use crate::procfs;

/// Refuses a process that holds a record lock on a file that it has open, but for descriptors that are `closed` at the launch.
/// Before these are closed: with any descriptor of a file go all locks on it.
pub(crate) fn refuse_record_locks(closed: &[RawFd]) -> Result<()> {
    if !may_hold_any() {
        return Ok(());
    }
    // Where there is no /proc, locks cannot be seen.
    for entry in fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten() {
        let Some(fd) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let info = procfs::read(entry.path()).unwrap_or_default();
        let is_locked = info.lines().any(|line| line.starts_with("lock:") && line.contains(" POSIX "));
        if is_locked && !closed.contains(&fd) {
            let path = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            let why =
                format!("descriptor {fd} ({}) holds a record lock, which a fork does not pass on", path.display());
            let error = Error::new(Step::Descriptors, ErrorKind::Misuse, "become a daemon", why);
            return Err(error.advise("open it in main's body"));
        }
    }
    Ok(())
}

/// One look at the locks of all processes, since most hold none. Where that is not shown, each descriptor has to be looked at.
fn may_hold_any() -> bool {
    // What this process is called there: its pid, but another one where /proc is that of an outer pid namespace.
    let (Ok(locks), Ok(pid)) = (procfs::read("/proc/locks"), fs::read_link("/proc/self")) else { return true };
    let is_ours = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        fields.next() == Some("POSIX") && fields.nth(2).map(Path::new) == Some(&pid)
    };
    locks.lines().any(is_ours)
}
