//! Signal dispositions and the mask, back to what a program expects.

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use crate::error::{Error, Result, Step};
use crate::sys::{self, retry};

/// What asks a process to end.
pub(crate) const ENDS: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Signals that wait for as long as this lives; with the mask that there was before.
pub(crate) struct Blocked(SigSet);

impl Blocked {
    /// Blocks them: sigprocmask(2).
    pub(crate) fn new(signals: &SigSet) -> Result<Self> {
        let mut before = SigSet::empty();
        retry(|| sigprocmask(SigmaskHow::SIG_BLOCK, Some(signals), Some(&mut before)))
            .map(|()| Blocked(before))
            .map_err(|errno| Error::system(Step::Signals, "block signals", errno))
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // The call has worked a moment ago, and there is nobody to tell.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None);
    }
}

/// Undoes what was inherited: no signal is blocked, and none ignored but SIGPIPE.
///
/// exec has already reset all handlers, so those that are there belong to Rust (stack overflow) or to `setup`; they
/// stay. SIGPIPE stays ignored as Rust has made it: by default a write to a closed socket would end the daemon.
pub(crate) fn reset() -> Result<()> {
    for signal in (1..=libc::SIGRTMAX()).filter(|signal| *signal != libc::SIGPIPE) {
        sys::stop_ignoring(signal).map_err(|errno| failed(signal, errno))?;
    }
    retry(|| sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None))
        .map_err(|errno| Error::system(Step::Signals, "unblock all signals", errno))
}

/// SIGCHLD to its default, without which a parent cannot wait for its children.
pub(crate) fn default_sigchld() -> Result<()> {
    sys::stop_ignoring(libc::SIGCHLD).map_err(|errno| failed(libc::SIGCHLD, errno))
}

/// SIGCHLD to SIG_IGN: dead children leave no zombies.
pub(crate) fn ignore_sigchld() -> Result<()> {
    sys::set_disposition(libc::SIGCHLD, libc::SIG_IGN).map_err(|errno| failed(libc::SIGCHLD, errno))
}

fn failed(signal: libc::c_int, errno: Errno) -> Error {
    Error::system(Step::Signals, format!("set the disposition of signal {signal}"), errno)
}
