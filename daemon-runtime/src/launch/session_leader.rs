//! The session leader: a new session, the second fork, and the end. Where the launcher cannot become the daemon's parent, it stays,
//! and tells how the daemon has ended.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use nix::libc::{WNOHANG, WNOWAIT};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::unistd::{ForkResult, Pid, chdir, setsid};

use super::launcher::poll;
use super::message::Message;
use super::signal_socket::SignalSocket;
use super::{exit_with, fork, refuse_other_pid_namespace};
use crate::error::{OrFail, Result, Step};
use crate::sys::{self, Children, waitid};
use crate::trace::Trace;

/// Leaves the shell's session and forks the daemon. Only the daemon returns, with its end of the channel. With a socket of its own
/// to the launcher, `own`, the session leader stays.
///
/// The launcher's `signals` are put back in the daemon, and not before: a program that ignores SIGCHLD would lose the end of a daemon
/// that ends before its parent.
pub(super) fn fork_daemon(
    channel: UnixStream,
    own: Option<UnixStream>,
    signals: SignalSocket,
    trace: Trace,
) -> Result<UnixStream> {
    refuse_other_pid_namespace()?;
    trace.print_row("first fork");
    // daemon(7), step 6. A new session has no controlling terminal.
    setsid().or_fail(Step::Launch, "create a session")?;
    trace.print_row("setsid in the first child");
    // Before the fork whose child it is about.
    let deaths = own.is_some().then(prepare_to_stay).transpose()?;
    // Step 7: who is no session leader can never get a terminal.
    match fork()? {
        ForkResult::Parent { child: daemon } => {
            trace.print_child_row("second fork", daemon);
            let tell = |launcher| {
                Message::Started(daemon).send(launcher).or_fail(Step::Launch, "tell the launcher the daemon's pid")
            };
            match (own, deaths) {
                (Some(launcher), Some(deaths)) => {
                    // From the message on the launcher hears the daemon, whose end has to be seen there: no other process holds it.
                    drop(channel);
                    tell(&launcher)?;
                    stay(daemon, &launcher, &deaths)
                }
                _ => {
                    tell(&channel)?;
                    // Step 8: the daemon gets another parent.
                    sys::exit_now(0)
                }
            }
        }
        ForkResult::Child => {
            deaths.map_or(Ok(()), SignalSocket::restore_in_daemon)?;
            signals.restore_in_daemon()?;
            Ok(channel)
        }
    }
}

/// Blocks all signals: this process is of the daemon's group, to which main's body may send any of them. The daemon has its own
/// mask before its body runs.
fn prepare_to_stay() -> Result<SignalSocket> {
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None).or_fail(Step::Signals, "block signals")?;
    SignalSocket::watch(&[])
}

/// Tells the launcher how the daemon has ended, and does not reap it, so that its number stays its own. Ends when the launcher has
/// gone, which kills this process when it needs it no more.
fn stay(daemon: Pid, launcher: &UnixStream, deaths: &SignalSocket) -> ! {
    deaths.unblock().unwrap_or_else(|error| exit_with(&error));
    let needed = [launcher, &deaths.receiver, &deaths.sender].map(AsRawFd::as_raw_fd);
    let mut others = Vec::new();
    // What cannot be listed or closed stays open until the daemon is ready.
    let _ = sys::visit_descriptors(&mut |fd| {
        let is_open = sys::descriptor_flags(fd).is_ok();
        others.extend(Some(fd).filter(|fd| is_open && !needed.contains(fd)));
        is_open
    });
    others.into_iter().for_each(sys::close_inherited);
    // A directory that stays in use until the daemon is ready.
    let _ = chdir("/");
    let mut has_told = false;
    loop {
        let ended = waitid(Children::One(daemon), WNOHANG | WNOWAIT);
        if let (Ok(Some(status)), false) = (ended, has_told) {
            has_told = Message::Ended(status).send(launcher).is_ok();
        }
        match poll([Some(&deaths.receiver), Some(launcher)], None) {
            Ok(Some(0)) => drop(deaths.read()),
            // The launcher has gone, or needs this process no more: it says nothing to it. Who adopts the daemon may be no init, and
            // not reap it.
            _ => {
                let _ = waitid(Children::One(daemon), WNOHANG);
                sys::exit_now(0)
            }
        }
    }
}
