//! Signals: dispositions and the mask, back to what a program expects.

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::error::{Error, Result, Step};
use crate::sys::{self, retry};

/// Undoes what was inherited: no signal is blocked, and none ignored but SIGPIPE. daemon(7), steps 2 and 3.
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

/// Sets SIGCHLD to its default, without which a parent cannot wait for its children.
pub(crate) fn default_sigchld() -> Result<()> {
    sys::stop_ignoring(libc::SIGCHLD).map_err(|errno| failed(libc::SIGCHLD, errno))
}

/// Sets SIGCHLD to SIG_IGN: children are reaped automatically.
pub(crate) fn ignore_sigchld() -> Result<()> {
    sys::set_disposition(libc::SIGCHLD, libc::SIG_IGN).map_err(|errno| failed(libc::SIGCHLD, errno))
}

fn failed(signal: c_int, errno: Errno) -> Error {
    Error::system(Step::Signals, format!("set the disposition of signal {signal}"), errno)
}
