//! Which process is the daemon. A forked child of it is not, although it may have the same pid in a namespace of its own.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};

use nix::errno::Errno;
use nix::unistd::getpid;

use crate::error::{Error, Result, Step};
use crate::step::pid_file::close_in_child;
use crate::sys;

/// 1 in the daemon, and 0 in its forked children.
static MARK: OnceLock<&AtomicU8> = OnceLock::new();
static PID: AtomicI32 = AtomicI32::new(0);

/// Makes this process the daemon.
pub(crate) fn mark_as_daemon() -> Result<()> {
    let failed = |errno: Errno| Error::system(Step::Launch, "prepare for forked children", errno);
    if MARK.get().is_none() {
        let mark = sys::wiped_on_fork().map_err(failed)?;
        sys::at_fork_in_child(leave_daemon).map_err(failed)?;
        // Nobody else sets it: one thread starts the daemon.
        let _ = MARK.set(mark);
    }
    PID.store(getpid().as_raw(), Ordering::Relaxed);
    MARK.get().inspect(|mark| mark.store(1, Ordering::Relaxed));
    Ok(())
}

/// Whether this process is the daemon. Async-signal-safe.
pub(crate) fn is_daemon() -> bool {
    let is_marked = MARK.get().is_some_and(|mark| mark.load(Ordering::Relaxed) == 1);
    is_marked && PID.load(Ordering::Relaxed) == getpid().as_raw()
}

/// Gives up the lock of a daemon that this process is a child of, where clone(2) alone has made it: [`leave_daemon`] did not
/// run then.
pub(crate) fn drop_parents_lock() {
    if !is_daemon() {
        close_in_child();
    }
}

/// What a child that fork(3) has made does first. Async-signal-safe.
extern "C" fn leave_daemon() {
    MARK.get().inspect(|mark| mark.store(0, Ordering::Relaxed));
    close_in_child();
}
