//! Signals: dispositions and the mask, back to what a program expects; and the ends that a daemon sees coming.

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use crate::error::{Error, Result, Step};
use crate::step::pid_file::remove_kept;
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

/// Handles the signals that end a process by default, so that they first remove the pid file.
///
/// As process 1 too, for which the kernel knows no default: without a handler it would ignore them.
pub(crate) fn watch_ends() -> Result<()> {
    // SIGABRT is how a panic ends where panics abort, and a stack that overflows.
    for signal in ENDS.into_iter().chain([Signal::SIGABRT]) {
        let failed = |errno| Error::system(Step::Signals, format!("handle {signal}"), errno);
        // `setup` may have installed the program's own handler.
        if sys::disposition(signal as c_int).map_err(failed)?.sa_sigaction == libc::SIG_DFL {
            sys::set_handler(signal, ended).map_err(failed)?;
        }
    }
    Ok(())
}

/// The handler of a signal that ends the process. Async-signal-safe.
pub(crate) extern "C" fn ended(signal: c_int, _: *mut siginfo_t, _: *mut c_void) {
    // Not at the front: the program has a handler of its own, which calls the one before it, as is the custom. What
    // the signal means is that handler's to say; a graceful shutdown must not be cut short here.
    let front = ended as extern "C" fn(_, _, _) as libc::sighandler_t;
    if sys::disposition(signal).is_ok_and(|now| now.sa_sigaction != front) {
        return;
    }
    remove_kept();
    if sys::set_disposition(signal, libc::SIG_DFL).is_ok() {
        sys::raise_unblocked(signal);
    }
    // Only process 1 gets here: by default it survives.
    sys::exit_now(128 + signal)
}

fn failed(signal: libc::c_int, errno: Errno) -> Error {
    Error::system(Step::Signals, format!("set the disposition of signal {signal}"), errno)
}
