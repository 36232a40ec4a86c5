//! Signals: what the program was started with is undone, daemon(7), steps 2 and 3; what it has set itself stays. And the signals
//! that end a daemon, whose pid file goes first.

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise, sigprocmask};

use crate::error::{Error, OrFail, Result, Step};
use crate::step::pid_file::remove_kept;
use crate::sys;

/// What asks a process to end.
pub(crate) const TERMINATION_SIGNALS: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// The signals that were ignored or blocked when the program began.
#[derive(Clone)]
pub(crate) struct InheritedSignals {
    ignored: Vec<c_int>,
    blocked: SigSet,
}

impl InheritedSignals {
    /// Nothing that is to be undone.
    pub(crate) fn none() -> Self {
        InheritedSignals { ignored: Vec::new(), blocked: SigSet::empty() }
    }

    pub(crate) fn note() -> nix::Result<Self> {
        let mut ignored = Vec::new();
        for signal in sys::signals() {
            if sys::disposition(signal)?.sa_sigaction == libc::SIG_IGN {
                ignored.push(signal);
            }
        }
        let mut blocked = SigSet::empty();
        sigprocmask(SigmaskHow::SIG_BLOCK, None, Some(&mut blocked))?;
        Ok(InheritedSignals { ignored, blocked })
    }
}

/// Signals that are blocked while a daemon starts, until this is dropped: a start that they end must clear away first, and it must
/// not die of writing to a process that has died.
pub(crate) struct BlockedSignals {
    mask_before: SigSet,
    inherited: InheritedSignals,
}

impl BlockedSignals {
    /// Blocks them: sigprocmask(2).
    pub(crate) fn block(inherited: InheritedSignals) -> Result<Self> {
        let mut mask_before = SigSet::empty();
        let signals = TERMINATION_SIGNALS.into_iter().chain([Signal::SIGCHLD, Signal::SIGPIPE]).collect();
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), Some(&mut mask_before))
            .or_fail(Step::Signals, "block signals")?;
        Ok(BlockedSignals { mask_before, inherited })
    }

    /// Undoes step 2 for SIGCHLD, which the launcher has a handler for; unless the program itself ignores it.
    pub(crate) fn stop_ignoring_children(&self) -> Result<()> {
        match self.inherited.ignored.contains(&libc::SIGCHLD) {
            true => stop_ignoring(libc::SIGCHLD),
            false => Ok(()),
        }
    }

    /// Undoes step 2 of whoever has started the program: no signal is ignored by that but SIGPIPE.
    ///
    /// exec has already reset all handlers, so those that are there belong to Rust (stack overflow) or to the program. SIGPIPE
    /// stays ignored as Rust has made it: by default a write to a closed socket would end the daemon.
    pub(crate) fn stop_ignoring(&self) -> Result<()> {
        let ignored = self.inherited.ignored.iter().filter(|signal| **signal != libc::SIGPIPE);
        ignored.copied().try_for_each(stop_ignoring)
    }

    /// Lets all signals through but those that the program itself has blocked.
    pub(crate) fn unblock(self) -> Result<()> {
        // In two calls, since nix's sets know no single real-time signals. A mask of the program's own stays set between them.
        let unblocked =
            [(SigmaskHow::SIG_SETMASK, &self.mask_before), (SigmaskHow::SIG_UNBLOCK, &self.inherited.blocked)]
                .into_iter()
                .try_for_each(|(how, set)| sigprocmask(how, Some(set), None));
        // Dropping it would block again what was inherited.
        std::mem::forget(self);
        unblocked.or_fail(Step::Signals, "unblock the signals that were blocked at the start")
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // The call has worked a moment ago, and there is nobody to tell.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.mask_before), None);
    }
}

/// Sets a signal to its default if exec has passed it on as ignored.
///
/// One that was ignored already, and that the program ignores itself, stays so where the two can be told.
fn stop_ignoring(signal: c_int) -> Result<()> {
    let now = sys::disposition(signal).map_err(|errno| not_set(signal, errno))?;
    if now.sa_sigaction == libc::SIG_IGN && sys::may_be_ignored_since_exec(&now) {
        sys::set_disposition(signal, libc::SIG_DFL).map_err(|errno| not_set(signal, errno))?;
    }
    Ok(())
}

/// Sets SIGCHLD to SIG_IGN: children are reaped automatically.
pub(crate) fn ignore_sigchld() -> Result<()> {
    sys::set_disposition(libc::SIGCHLD, libc::SIG_IGN).map_err(|errno| not_set(libc::SIGCHLD, errno))
}

fn not_set(signal: c_int, errno: Errno) -> Error {
    Error::system(Step::Signals, format_args!("set the disposition of signal {signal}"), errno)
}

/// Handles the signals that end a process by default, so that they first remove the pid file.
///
/// As process 1 too, for which the kernel knows no default: without a handler it would ignore them.
pub(crate) fn handle_termination() -> Result<()> {
    // SIGABRT is how a panic ends where panics abort, and a stack that overflows.
    for signal in TERMINATION_SIGNALS.into_iter().chain([Signal::SIGABRT]) {
        let handle = || match sys::disposition(signal as c_int)?.sa_sigaction {
            libc::SIG_DFL => sys::set_handler(signal, end),
            // `setup` may have installed the program's own handler.
            _ => Ok(()),
        };
        handle().or_fail(Step::Signals, format_args!("handle {signal}"))?;
    }
    Ok(())
}

/// The handler of a signal that ends the process. Async-signal-safe.
extern "C" fn end(number: c_int, _: *mut siginfo_t, _: *mut c_void) {
    // Where the program has a handler of its own, which calls the one before it, as is the custom, that handler decides
    // what the signal means: a graceful shutdown must not be cut short here.
    let installed = end as sys::Handler as libc::sighandler_t;
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
