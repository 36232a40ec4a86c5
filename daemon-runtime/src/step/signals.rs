//! Signals: what the program was started with is undone, daemon(7), steps 2 and 3; what it has set itself stays.

use nix::errno::Errno;
use nix::libc::{self, c_int, sigaction};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::error::{Error, Result, Step};
use crate::sys::{self, retry};

/// The signals that were ignored or blocked when the program began.
pub(crate) struct InheritedSignals {
    ignored: Vec<c_int>,
    blocked: SigSet,
}

impl InheritedSignals {
    pub(crate) fn note() -> nix::Result<Self> {
        let mut ignored = Vec::new();
        for signal in 1..=libc::SIGRTMAX() {
            if sys::is_ignored(signal)? {
                ignored.push(signal);
            }
        }
        let mut blocked = SigSet::empty();
        retry(|| sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut blocked)))?;
        Ok(InheritedSignals { ignored, blocked })
    }
}

/// Undoes what was inherited: no signal is blocked by it, and none ignored but SIGPIPE. What the program itself has set is
/// `mask`, beside that, and its action for SIGCHLD.
///
/// exec has already reset all handlers, so those that are there belong to Rust (stack overflow) or to the program. SIGPIPE
/// stays ignored as Rust has made it: by default a write to a closed socket would end the daemon.
pub(crate) fn reset_inherited(
    inherited: &nix::Result<InheritedSignals>,
    mask: &SigSet,
    sigchld: &sigaction,
) -> Result<()> {
    let inherited = inherited.as_ref().map_err(|errno| {
        Error::system(Step::Signals, "look at the signals that the program was started with", *errno)
    })?;
    sys::restore_action(libc::SIGCHLD, sigchld).map_err(|errno| failed(libc::SIGCHLD, errno))?;
    for signal in inherited.ignored.iter().filter(|signal| **signal != libc::SIGPIPE) {
        sys::stop_ignoring(*signal).map_err(|errno| failed(*signal, errno))?;
    }
    // In two calls, since nix's sets know no single real-time signals. A mask of the program's own stays set between them.
    let both = [(SigmaskHow::SIG_SETMASK, mask), (SigmaskHow::SIG_UNBLOCK, &inherited.blocked)];
    both.into_iter().try_for_each(|(how, set)| {
        retry(|| sigprocmask(how, Some(set), None))
            .map_err(|errno| Error::system(Step::Signals, "unblock the signals that were blocked at the start", errno))
    })
}

/// Sets SIGCHLD to its default, without which the launcher cannot wait for its children. Returns what the program has set.
pub(crate) fn default_sigchld(inherited: &nix::Result<InheritedSignals>) -> Result<sigaction> {
    let failed = |errno| failed(libc::SIGCHLD, errno);
    // Not later: what is set again looks like the program's own.
    if inherited.as_ref().is_ok_and(|inherited| inherited.ignored.contains(&libc::SIGCHLD)) {
        sys::stop_ignoring(libc::SIGCHLD).map_err(failed)?;
    }
    let before = sys::disposition(libc::SIGCHLD).map_err(failed)?;
    sys::set_disposition(libc::SIGCHLD, libc::SIG_DFL).map_err(failed)?;
    Ok(before)
}

/// Sets SIGCHLD to SIG_IGN: children are reaped automatically.
pub(crate) fn ignore_sigchld() -> Result<()> {
    sys::set_disposition(libc::SIGCHLD, libc::SIG_IGN).map_err(|errno| failed(libc::SIGCHLD, errno))
}

fn failed(signal: c_int, errno: Errno) -> Error {
    Error::system(Step::Signals, format!("set the disposition of signal {signal}"), errno)
}
