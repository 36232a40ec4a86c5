//! SIGHUP reopens the log files: logrotate(8) has moved the old ones away.

use std::sync::OnceLock;

use nix::errno::Errno;
use nix::libc::{c_int, c_void, sigaction, siginfo_t};
use nix::sys::signal::Signal;

use crate::error::{Error, Result, Step};
use crate::step::log::Log;
use crate::sys;

struct Reopening {
    logs: Vec<Log>,
    /// The handler that was there before.
    previous: sigaction,
}

static REOPENING: OnceLock<Reopening> = OnceLock::new();

/// Makes SIGHUP reopen these log files. Where there are none, as in the foreground, it does nothing, but is not fatal.
pub(crate) fn reopen_on_sighup(logs: Vec<Log>) -> Result<()> {
    let failed = |errno| Error::system(Step::Signals, "handle SIGHUP", errno);
    let previous = sys::disposition(Signal::SIGHUP as c_int).map_err(failed)?;
    REOPENING.get_or_init(|| Reopening { logs, previous });
    sys::set_handler(Signal::SIGHUP, reopen).map_err(failed)
}

/// The handler of SIGHUP. Async-signal-safe: it opens, duplicates, closes and writes, and allocates nothing.
pub(crate) extern "C" fn reopen(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(Reopening { logs, previous }) = REOPENING.get() else { return };
    let errno = Errno::last();
    for log in logs {
        if let Err(reason) = log.reopen() {
            log.complain(reason);
        }
    }
    sys::call_handler(previous, signal, info, context);
    errno.set();
}
