//! SIGHUP reopens the log files: logrotate(8) has moved the old ones away. In the foreground it tells systemd about a reload
//! (Type=notify-reload).

use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::libc::{c_int, c_void, sigaction, siginfo_t};
use nix::sys::signal::Signal;

use crate::error::{Error, Result, Step};
use crate::step::log::Log;
use crate::step::streams::OpenFile;
use crate::supervisor;
use crate::sys::{self, Published};

/// What SIGHUP does.
#[derive(Default)]
pub(crate) struct OnSighup {
    pub(crate) logs: Vec<Log>,
    /// Where systemd waits to be told about a reload.
    pub(crate) notify_socket: Option<OpenFile>,
}

static ON_SIGHUP: Published<OnSighup> = Published::nothing();
/// The handler that was there before ours.
static PREVIOUS: Published<sigaction> = Published::nothing();

/// How many SIGHUPs wait. Whoever makes 1 of 0 has the turn: it does the work until no more have come, and the handlers in
/// other threads, or of a second signal, only count. So two never work at once, and none waits.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// Handles SIGHUP, which does nothing yet but is remembered: until [`begin`] the start has the turn.
///
/// It has to be there before the pid can be read by somebody who sends it.
pub(crate) fn hold_sighup() -> Result<()> {
    let failed = |errno| Error::system(Step::Signals, "handle SIGHUP", errno);
    WAITING.store(1, Ordering::Relaxed);
    let previous = sys::disposition(Signal::SIGHUP as c_int).map_err(failed)?;
    // In a forked child of a daemon it is ours already.
    let ours = handle_sighup as extern "C" fn(_, _, _) as nix::libc::sighandler_t;
    if previous.sa_sigaction != ours {
        PREVIOUS.publish(previous);
    }
    sys::set_handler(Signal::SIGHUP, handle_sighup).map_err(failed)
}

/// Does from now on what SIGHUP asks for; and now, if one has come since [`hold_sighup`].
pub(crate) fn begin(on_sighup: OnSighup) {
    ON_SIGHUP.publish(on_sighup);
    // One is the start's own turn.
    match WAITING.compare_exchange(1, 0, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {}
        Err(_) => work(),
    }
}

/// The handler of SIGHUP. Async-signal-safe: it opens, duplicates, closes and writes, and allocates nothing.
pub(crate) extern "C" fn handle_sighup(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = Errno::last();
    let has_turn = WAITING.fetch_add(1, Ordering::AcqRel) == 0;
    if let Some(previous) = PREVIOUS.get() {
        sys::call_handler(previous, signal, info, context);
    }
    if has_turn {
        work();
    }
    errno.set();
}

/// Reopens the logs until no more signals have come. Async-signal-safe.
fn work() {
    loop {
        let seen = WAITING.load(Ordering::Acquire);
        if let Some(OnSighup { logs, notify_socket }) = ON_SIGHUP.get() {
            // The program may have closed it, and have another file at this number.
            let notify_socket = notify_socket.as_ref().and_then(|socket| socket.check().ok());
            // In each round, and after the look at what waits: systemd goes on only by a reload that began after its signal.
            if let Some(socket) = notify_socket {
                supervisor::send_reloading(socket);
            }
            for log in logs {
                if let Err(reason) = log.reopen() {
                    log.complain(reason);
                }
            }
            if let Some(socket) = notify_socket {
                supervisor::send_ready_again(socket);
            }
        }
        if WAITING.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return;
        }
    }
}
