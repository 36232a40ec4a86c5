//! The launch: three processes, one file each.
//!
//! ```text
//! launcher                           session leader             daemon
//!  fork ──────────────────────────▶ setsid, fork ───────────▶ …
//!  waits: a message, a death,  ◀─── Started                    main's body up to ready.notify()
//!  the time limit, Ctrl-C            exit
//!                    ◀────────────────────────────── Ready ──
//!                    Go ─────────────────────────────────────▶ main's body goes on
//!  exit
//! ```
//!
//! `Started` and `Ready` carry the daemon's pid, and come by one channel, whose end the session leader and the daemon share. Instead of
//! `Go` the launcher says `Stop` to a daemon whose start it has given up.
//!
//! *Why two forks.* setsid(2) refuses a process group leader, which a program started by a shell is; so the first child
//! calls it. That makes it a session leader, and a session leader that opens a terminal gets it as controlling terminal.
//! So it forks again: the daemon is no session leader and can never get a terminal.
//!
//! *Why the launcher is the parent.* It adopts orphans, so that the daemon becomes its child when the session leader has
//! exited. So it learns exactly how a failed start has ended. Where it cannot, the session leader stays, with a socket of its own: it
//! says `Started` and, when the daemon has ended, `Ended` there, and is killed by the launcher at the end.
//!
//! *Why a socket and not a pipe.* Both ends talk, and each sees when the other one is closed, by whatever death.
//!
//! *What each process waits for.* The launcher waits until the daemon is ready, has ended, or is too late, or until a
//! signal interrupts the start; it alone decides. The session leader waits for nothing, or, if it stays, for the daemon's end and the
//! launcher's. The daemon waits for `Go` when it is
//! ready, and from then on neither looks at the other. A daemon whose launcher was killed sees that there.

mod launcher;
mod link;
pub(crate) mod message;
mod session_leader;
mod signal_socket;

use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::unistd::{ForkResult, getpid, getppid};

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::report::report;
use crate::step::signals::TERMINATION_SIGNALS;
use crate::sys;
use crate::trace::Trace;

pub(crate) use launcher::Launcher;
use launcher::Progress;
pub(crate) use link::Link;
use signal_socket::SignalSocket;

/// Who has returned from [`fork_twice`].
pub(crate) enum Process<'a> {
    Launcher(Launcher<'a>),
    Daemon(Link),
}

/// Forks twice. The launcher returns, and the daemon; or the program, with an error, if nothing could be forked.
pub(crate) fn fork_twice(limit: Duration, trace: Trace, client: Option<&UnixStream>) -> Result<Process<'_>> {
    trace.print_header();
    trace.print_row("program started");
    let (launcher_end, daemon_end) = make_socket()?;
    // A session leader that stays has a socket of its own.
    let stays = !sys::adopt_orphans().or_fail(Step::Launch, "adopt the daemon")?;
    let (leader_channel, leader_end) = if stays { Some(make_socket()?) } else { None }.unzip();
    let signals = SignalSocket::watch(&TERMINATION_SIGNALS)?;
    let launcher = getpid();
    match fork()? {
        ForkResult::Parent { child: leader } => {
            // Only the daemon holds its end, so that its death is seen at the other.
            drop((daemon_end, leader_end));
            let (channel, progress) = (Some(launcher_end), Progress::Forked);
            Ok(Process::Launcher(Launcher { leader, leader_channel, channel, progress, signals, limit, client }))
        }
        ForkResult::Child => {
            drop((launcher_end, leader_channel));
            let channel = session_leader::fork_daemon(daemon_end, leader_end, signals, trace);
            let channel = channel.unwrap_or_else(|error| exit_with(&error));
            Ok(Process::Daemon(Link::new(channel, launcher)))
        }
    }
}

/// Makes a socket between two of the processes of a start.
pub(crate) fn make_socket() -> Result<(UnixStream, UnixStream)> {
    UnixStream::pair().or_fail(Step::Launch, "make a socket")
}

/// fork(2), in a process with one thread.
pub(crate) fn fork() -> Result<ForkResult> {
    sys::fork().or_fail(Step::Launch, "fork")
}

/// Prints the error and ends a process that must not run the program's own exit handlers.
fn exit_with(error: &Error) -> ! {
    report(error);
    sys::exit_now(error.exit_code().into())
}

/// Refuses a child of fork(2) that is in another pid namespace than its parent, as after `unshare -p` without `--fork`: the pids
/// that the launcher would be told are other processes there, and the first child's end is the end of all.
pub(crate) fn refuse_other_pid_namespace() -> Result<()> {
    // getppid(2): a parent that it does not see.
    if getppid().as_raw() != 0 {
        return Ok(());
    }
    let why = "its children are in another pid namespace than itself";
    Err(Error::new(Step::Launch, ErrorKind::Misuse, "become a daemon", why)
        .advise("start it by `unshare --fork`, or fork once after unshare(2)"))
}
