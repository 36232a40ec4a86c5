//! The signals that the launcher waits for, as bytes in a socket that one handler writes: so poll(2) sees them beside the messages.

use std::io::{ErrorKind, Read};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::libc::{self, c_int, c_void, sigaction, siginfo_t};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};

use super::make_socket;
use crate::error::{OrFail, Result, Step};
use crate::sys;

/// Where the handler writes.
static SENDER: AtomicI32 = AtomicI32::new(-1);

/// Writes the signal's number. Async-signal-safe.
extern "C" fn note(signal: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let errno = Errno::last();
    sys::write_byte(SENDER.load(Ordering::Relaxed), signal as u8);
    errno.set();
}

/// Handles signals until it is dropped. They are blocked when it is made, and in every child of this process.
pub(super) struct SignalSocket {
    pub(super) receiver: UnixStream,
    pub(super) sender: UnixStream,
    /// What the program itself has set.
    actions: Vec<(Signal, sigaction)>,
}

impl SignalSocket {
    /// Handles the death of a child, and these signals but those that the program ignores: by nohup(1), or as a shell's background
    /// job.
    pub(super) fn watch(signals: &[Signal]) -> Result<Self> {
        let (receiver, sender) = make_socket()?;
        // A handler that waits would wait for ever. As many signals as fit are enough.
        receiver.set_nonblocking(true).and_then(|()| sender.set_nonblocking(true)).or_fail(Step::Signals, WAIT)?;
        SENDER.store(sender.as_raw_fd(), Ordering::Relaxed);
        let mut socket = SignalSocket { receiver, sender, actions: Vec::new() };
        for &signal in signals.iter().chain([&Signal::SIGCHLD]) {
            let action = sys::disposition(signal as c_int).or_fail(Step::Signals, WAIT)?;
            if signal == Signal::SIGCHLD || action.sa_sigaction != libc::SIG_IGN {
                sys::set_handler(signal, note).or_fail(Step::Signals, WAIT)?;
                socket.actions.push((signal, action));
            }
        }
        Ok(socket)
    }

    /// Lets the signals through, to the handler.
    pub(super) fn unblock(&self) -> Result<()> {
        let signals: SigSet = self.actions.iter().map(|(signal, _)| *signal).collect();
        // Not pthread_sigmask(3), whose errors nix does not see.
        sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&signals), None).or_fail(Step::Signals, WAIT)
    }

    /// Returns the next signal that has come; `None` if that is the death of a child, or none has come.
    pub(super) fn read(&self) -> Result<Option<Signal>> {
        let mut number = [0];
        match (&self.receiver).read(&mut number) {
            Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => Ok(None),
            read => read.map(|_| Signal::try_from(c_int::from(number[0])).ok().filter(|it| *it != Signal::SIGCHLD)),
        }
        .or_fail(Step::Signals, "read a signal")
    }

    /// Puts back what the program has set.
    pub(super) fn restore_in_daemon(mut self) -> Result<()> {
        self.restore().or_fail(Step::Signals, "put back the program's signal handlers")
    }

    fn restore(&mut self) -> nix::Result<()> {
        self.actions.drain(..).try_for_each(|(signal, action)| sys::restore_action(signal as c_int, &action))
    }
}

const WAIT: &str = "wait for signals";

impl Drop for SignalSocket {
    fn drop(&mut self) {
        // The launcher is about to end, or the program is told of another failure.
        let _ = self.restore();
    }
}
