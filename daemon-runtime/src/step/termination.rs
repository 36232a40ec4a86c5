//! The signals that end a daemon: its pid file is removed first.

use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::sys::signal::{SigSet, Signal, raise};

use crate::error::{Error, Result, Step};
use crate::step::pid_file::remove_kept;
use crate::sys;

/// What asks a process to end.
pub(crate) const TERMINATION_SIGNALS: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Handles the signals that end a process by default, so that they first remove the pid file.
///
/// As process 1 too, for which the kernel knows no default: without a handler it would ignore them.
pub(crate) fn handle_termination() -> Result<()> {
    // SIGABRT is how a panic ends where panics abort, and a stack that overflows.
    for signal in TERMINATION_SIGNALS.into_iter().chain([Signal::SIGABRT]) {
        let failed = |errno| Error::system(Step::Signals, format!("handle {signal}"), errno);
        // `setup` may have installed the program's own handler.
        if sys::disposition(signal as c_int).map_err(failed)?.sa_sigaction == libc::SIG_DFL {
            sys::set_handler(signal, end).map_err(failed)?;
        }
    }
    Ok(())
}

/// The handler of a signal that ends the process. Async-signal-safe.
pub(crate) extern "C" fn end(number: c_int, _: *mut siginfo_t, _: *mut c_void) {
    // Where the program has a handler of its own, which calls the one before it, as is the custom, that handler decides
    // what the signal means: a graceful shutdown must not be cut short here.
    let installed = end as extern "C" fn(_, _, _) as libc::sighandler_t;
    if sys::disposition(number).is_ok_and(|now| now.sa_sigaction != installed) {
        return;
    }
    remove_kept();
    if sys::set_disposition(number, libc::SIG_DFL).is_ok() {
        // Not kill(2): another thread could get the signal, and this one return before that has had its effect. The
        // signal is blocked for as long as its handler runs. A failure leads to the exit below.
        if let Ok(signal) = Signal::try_from(number) {
            let _ = raise(signal).and_then(|()| SigSet::from(signal).thread_unblock());
        }
    }
    // Only process 1 gets here: by default it survives.
    sys::exit_now(128 + number)
}
