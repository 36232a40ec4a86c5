//! The launcher: it waits until the daemon is ready; or it ends what has been started, and says why.

use std::net::Shutdown;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{self, WNOHANG, WNOWAIT, c_int};
use nix::sys::signal::{SigSet, Signal, killpg, raise};
use nix::unistd::{Pid, getpgid};

use super::exit_with;
use super::message::{self, Message};
use super::signal_socket::SignalSocket;
use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::report::{report, seconds};
use crate::sys::{self, Children, ExitStatus, retry, waitid};

/// How long processes that were told to end may take before they are killed, and the killed ones until they are gone.
const GRACE: Duration = Duration::from_secs(5);

/// The launcher's view of a start.
pub(crate) struct Launcher<'a> {
    /// Reaped last, so that the numbers of this process and of its group stay theirs.
    pub(super) leader: Pid,
    /// By which a session leader that stays tells how the daemon has ended. `None` where the launcher sees that itself: the daemon
    /// is its child as soon as the session leader has exited.
    pub(super) leader_channel: Option<UnixStream>,
    /// `None` after the daemon's end was closed.
    pub(super) channel: Option<UnixStream>,
    pub(super) progress: Progress,
    pub(super) signals: SignalSocket,
    pub(super) limit: Duration,
    /// Who waits for this process: [`Daemon::spawn`](crate::Daemon::spawn).
    pub(super) client: Option<&'a UnixStream>,
}

/// How far the start is. The session leader and the daemon tell of it, in either order.
#[derive(Clone, Copy)]
pub(super) enum Progress {
    Forked,
    Started(Pid),
    Ready(Pid),
    Ended,
}

/// What the launcher waits for.
enum Event {
    Signal(Signal),
    ChildEnded,
    Message(Message),
    /// The daemon's end of its channel is closed. It is dead; or it has executed another program, which can never be ready.
    Closed,
    ClientDied,
    Deadline,
}

/// Why a start ends without a daemon.
pub(crate) enum FailedStart {
    /// The session leader or the daemon has exited with this code, and has said why.
    Exited(c_int),
    /// The session leader or the daemon is dead, and has not said why.
    Dead(Error),
    Interrupted(Signal),
    /// The daemon may still run.
    Failed(Error),
}

impl From<Error> for FailedStart {
    fn from(error: Error) -> Self {
        FailedStart::Failed(error)
    }
}

fn failed(kind: ErrorKind, why: impl std::fmt::Display) -> Error {
    Error::new(Step::Ready, kind, "start the daemon", why)
}

impl FailedStart {
    fn of_process(name: &str, status: ExitStatus) -> Self {
        match status {
            ExitStatus::Exited(0) => FailedStart::Dead(
                failed(ErrorKind::Misuse, "it exited with code 0 before it was ready")
                    .advise("call ready.notify() before main returns"),
            ),
            ExitStatus::Exited(code) => FailedStart::Exited(code),
            ExitStatus::Killed(number) => {
                let signal = Signal::try_from(number).map_or_else(|_| format!("signal {number}"), |it| it.to_string());
                let error = failed(ErrorKind::StartFailed, format_args!("the {name} was killed by {signal}"));
                FailedStart::Dead(error.with_exit_code(128 + number))
            }
        }
    }

    fn into_error(self) -> Error {
        match self {
            FailedStart::Exited(code) => {
                failed(ErrorKind::StartFailed, format_args!("it exited with code {code} before it was ready"))
                    .with_exit_code(code)
            }
            FailedStart::Interrupted(signal) => {
                failed(ErrorKind::Interrupted, format_args!("it was interrupted by {signal}; nothing is left running"))
                    .with_exit_code(128 + signal as c_int)
            }
            FailedStart::Dead(error) | FailedStart::Failed(error) => error,
        }
    }
}

impl Launcher<'_> {
    /// Waits until the daemon is ready, and lets it go on.
    pub(crate) fn wait_until_ready(&mut self) -> std::result::Result<(), FailedStart> {
        let deadline = Instant::now().checked_add(self.limit);
        self.signals.unblock()?;
        loop {
            match self.wait(deadline)? {
                Event::Signal(signal) => return Err(FailedStart::Interrupted(signal)),
                Event::Message(Message::Started(daemon)) => self.note_started(daemon),
                Event::Message(Message::Ready(daemon)) => self.progress = Progress::Ready(daemon),
                Event::Message(Message::Ended(status)) => {
                    self.progress = Progress::Ended;
                    return Err(FailedStart::of_process("daemon", status));
                }
                Event::Message(Message::Go | Message::Stop) => {
                    return Err(Error::system(Step::Launch, LISTEN, Errno::EBADMSG).into());
                }
                // How the daemon has ended is told by its parent; and one that lives on without `Ready` by the deadline.
                Event::Closed => self.channel = None,
                Event::ChildEnded => {}
                Event::ClientDied => {
                    let why = "the process that starts it has died; nothing is left running";
                    return Err(failed(ErrorKind::Interrupted, why).into());
                }
                Event::Deadline => {
                    let why = format!("it was not ready after {}", seconds(self.limit));
                    return Err(failed(ErrorKind::TimedOut, why)
                        .advise("look at what it has printed, or try again")
                        .into());
                }
            }
            let may_go_on = self.check_children()?;
            if matches!(self.progress, Progress::Ready(_)) && may_go_on && self.send_go()? {
                return Ok(());
            }
        }
    }

    /// Exits, as the start has succeeded: daemon(7), step 15.
    pub(crate) fn exit_well(self) -> ! {
        if let (Some(client), Some(daemon)) = (self.client, self.daemon()) {
            // If the client has died, nobody waits for this.
            let _ = message::tell_client(client, Ok(daemon));
        }
        // A session leader that has stayed is needed no more, and ends when its socket is closed; or at once, if this succeeds. A parent
        // that adopts orphans, and is no init, would not reap it.
        if let Some(channel) = self.leader_channel {
            drop(channel);
            let _ = sys::kill(self.leader, libc::SIGKILL);
        }
        let _ = waitid(Children::One(self.leader), 0);
        sys::exit_now(0)
    }

    /// Waits for what happens next. Of several things, who sees the daemon's end is heard before the daemon.
    fn wait(&self, deadline: Option<Instant>) -> Result<Event> {
        // Nothing is decided by the daemon's messages for as long as the session leader may hold the daemon's end of the channel, too.
        let is_daemons_alone = match &self.leader_channel {
            Some(_) => !matches!(self.progress, Progress::Forked),
            None => self.leader_has_ended(),
        };
        let channel = self.channel.as_ref().filter(|_| is_daemons_alone);
        let sockets = [Some(&self.signals.receiver), self.leader_channel.as_ref(), channel, self.client];
        let receive = |channel| Message::receive(channel).or_fail(Step::Launch, LISTEN);
        Ok(match (poll(sockets, deadline).or_fail(Step::Launch, "wait for the daemon")?, sockets) {
            (None, _) => Event::Deadline,
            (Some(0), _) => self.signals.read()?.map_or(Event::ChildEnded, Event::Signal),
            // A session leader that is dead is a child that has ended.
            (Some(1), [_, Some(leader), ..]) => receive(leader)?.map_or(Event::ChildEnded, Event::Message),
            (Some(2), [_, _, Some(daemon), _]) => receive(daemon)?.map_or(Event::Closed, Event::Message),
            // The client says nothing: what can be read is its end.
            _ => Event::ClientDied,
        })
    }

    fn daemon(&self) -> Option<Pid> {
        match self.progress {
            Progress::Started(daemon) | Progress::Ready(daemon) => Some(daemon),
            Progress::Forked | Progress::Ended => None,
        }
    }

    fn note_started(&mut self, daemon: Pid) {
        if let Progress::Forked = self.progress {
            self.progress = Progress::Started(daemon);
        }
    }

    /// Reads the daemon's pid, if a session leader that does not stay has told it and has not been heard: a signal is heard first.
    fn hear_of_daemon(&mut self) {
        let (Progress::Forked, None, Some(channel)) = (&self.progress, &self.leader_channel, &self.channel) else {
            return;
        };
        if let (true, Ok(Some(_))) = (self.leader_has_ended(), poll([Some(channel)], Some(Instant::now()))) {
            // Either may come first: they are sent by two processes.
            if let Ok(Some(Message::Started(daemon) | Message::Ready(daemon))) = Message::receive(channel) {
                self.note_started(daemon);
            }
        }
    }

    fn leader_has_ended(&self) -> bool {
        !child_lives(self.leader, WNOWAIT)
    }

    /// Checks that session leader and daemon have not ended but as they should. Returns whether nothing is known against `Go`. Where
    /// a session leader stays, `Go` itself tells whether the daemon lives, whose end of the channel is nobody else's.
    fn check_children(&self) -> std::result::Result<bool, FailedStart> {
        let ended = |pid| waitid(Children::One(pid), WNOHANG | WNOWAIT).or_fail(Step::Launch, "look for the daemon");
        match (ended(self.leader)?, &self.leader_channel) {
            (None, stays) => return Ok(stays.is_some()),
            (Some(ExitStatus::Exited(0)), None) => {}
            (Some(status), _) => return Err(FailedStart::of_process("session leader", status)),
        }
        // Its pid was sent before the session leader ended, and is read next if it has not been yet.
        let Some(daemon) = self.daemon() else { return Ok(false) };
        ended(daemon)?.map_or(Ok(true), |status| Err(FailedStart::of_process("daemon", status)))
    }

    /// Lets the daemon go on; returns whether it was there to hear it.
    fn send_go(&mut self) -> Result<bool> {
        match self.channel.as_ref().map(|channel| Message::Go.send(channel)) {
            // It has died since it was ready: its end, which is waited for, is the start's.
            None => Ok(false),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                self.channel = None;
                Ok(false)
            }
            Some(sent) => sent.map(|()| true).or_fail(Step::Launch, "let the daemon go on"),
        }
    }

    /// Ends what has been started, and leaves no process behind.
    ///
    /// A call that fails here has no second way. The daemon ends by itself when it is ready and the launcher has gone without `Go`.
    pub(crate) fn end_processes(&mut self, reason: &FailedStart) {
        // A daemon that says only now that it is ready need not wait for `Go`. If this fails, it waits until it is ended.
        let _ = self.channel.as_ref().map(|channel| Message::Stop.send(channel));
        // The rest of a process group whose daemon is dead has nothing to finish.
        let is_dead = matches!(reason, FailedStart::Exited(_) | FailedStart::Dead(_));
        let are_gone = !is_dead && self.signal_and_wait(Signal::SIGTERM) || self.signal_and_wait(Signal::SIGKILL);
        if !are_gone {
            let who = self.daemon().map_or("the daemon".into(), |daemon| format!("process {daemon}"));
            report(&format_args!("{who} does not end, although SIGKILL was sent {} ago", seconds(GRACE)));
        }
        let stayed = self.leader_channel.take();
        if let Some(channel) = &stayed {
            // It reaps the daemon, and ends.
            let _ = channel.shutdown(Shutdown::Both);
            let deadline = Some(Instant::now() + GRACE);
            while !self.leader_has_ended() && matches!(poll([Some(&self.signals.receiver)], deadline), Ok(Some(_))) {
                let _ = self.signals.read();
            }
        }
        // Where nobody can wait for the members of the group, they get this, and no more is known. When all are gone, the number is
        // free.
        if stayed.is_some() || !are_gone {
            let _ = killpg(self.leader, Signal::SIGKILL);
            let _ = waitid(Children::One(self.leader), 0);
        }
    }

    /// Sends a signal to all processes of the start, and waits until they are gone; returns whether they are.
    fn signal_and_wait(&mut self, signal: Signal) -> bool {
        let deadline = Some(Instant::now() + GRACE);
        let mut leader_had_ended = self.leader_has_ended();
        self.hear_of_daemon();
        self.signal_processes(signal);
        while !self.are_gone() {
            if self.leader_has_ended() && !leader_had_ended {
                leader_had_ended = true;
                // The daemon may have been forked after the signal had gone to the leader.
                self.signal_processes(signal);
            }
            // The daemon's messages are not waited for: it may be saying that it is ready.
            let sockets = [Some(&self.signals.receiver), self.leader_channel.as_ref()];
            match (poll(sockets, deadline), sockets) {
                (Ok(Some(0)), _) => {
                    let is_second_signal = matches!(self.signals.read(), Ok(Some(_)));
                    // A second Ctrl-C means now. What gets SIGKILL is not sped up by a third.
                    if is_second_signal && signal == Signal::SIGTERM {
                        return false;
                    }
                }
                (Ok(Some(1)), [_, Some(leader)]) => match Message::receive(leader) {
                    Ok(Some(Message::Started(daemon))) => {
                        self.note_started(daemon);
                        self.signal_processes(signal);
                    }
                    // Where the session leader is dead too, nobody tells.
                    _ => self.progress = Progress::Ended,
                },
                _ => return false,
            }
        }
        true
    }

    /// Sends a signal to the session leader, its process group, and a daemon that has left it. Each has a process that is
    /// not reaped yet, so that no number can be a stranger's.
    fn signal_processes(&self, signal: Signal) {
        let leader_ended = self.leader_has_ended();
        // A session leader that stays has to tell of the daemon's end, and to reap it.
        let spares_leader =
            self.leader_channel.is_some() && signal == Signal::SIGKILL && !matches!(self.progress, Progress::Forked);
        if !spares_leader {
            // Until it has called setsid it is in the launcher's group.
            let _ = if leader_ended { Ok(()) } else { sys::kill(self.leader, signal as c_int) };
            let _ = killpg(self.leader, signal);
        }
        let is_ours = |daemon: &Pid| match self.leader_channel {
            Some(_) => !leader_ended,
            // What the session leader has told is only believed of a child.
            None => child_lives(*daemon, WNOWAIT),
        };
        let is_elsewhere = |daemon: &Pid| spares_leader || getpgid(Some(*daemon)) != Ok(self.leader);
        if let Some(daemon) = self.daemon().filter(is_elsewhere).filter(is_ours) {
            let _ = sys::kill(daemon, signal as c_int);
        }
    }

    /// Reaps those that have ended; returns whether none is left but a session leader that stays.
    fn are_gone(&mut self) -> bool {
        if self.leader_channel.is_some() {
            return matches!(self.progress, Progress::Ended) || self.leader_has_ended();
        }
        self.hear_of_daemon();
        // Before the session leader has ended the daemon is not a child of this process.
        if !self.leader_has_ended() || self.daemon().is_some_and(|daemon| child_lives(daemon, 0)) {
            return false;
        }
        loop {
            match waitid(Children::Group(self.leader), WNOHANG) {
                // The children of a process that has ended come to this one, which adopts orphans.
                Ok(Some(_)) => {}
                // A member lives, and keeps the group's number in use.
                Ok(None) => return false,
                // ECHILD: nobody is left.
                Err(_) => return true,
            }
        }
    }

    /// Says why the start has failed, and exits as it has ended. Signals end this process again: it may have to write to a pipe that
    /// nobody reads.
    pub(crate) fn exit_after(self, reason: FailedStart) -> ! {
        drop(self.signals);
        match (reason, self.client) {
            (reason, Some(client)) => {
                let error = reason.into_error();
                // If the client has died, nobody waits for this.
                let _ = message::tell_client(client, Err(&error));
                sys::exit_now(error.exit_code().into())
            }
            // It has said itself why.
            (FailedStart::Exited(code), None) => sys::exit_now(code),
            (FailedStart::Interrupted(signal), None) => {
                report(&format_args!("the start was interrupted by {signal}; nothing is left running"));
                // Whoever started this process is to see what has ended it.
                if sys::set_disposition(signal as c_int, libc::SIG_DFL).is_ok() && raise(signal).is_ok() {
                    // It may be blocked, as the program was started.
                    let _ = SigSet::from(signal).thread_unblock();
                }
                sys::exit_now(128 + signal as c_int)
            }
            (reason, None) => exit_with(&reason.into_error()),
        }
    }
}

const LISTEN: &str = "listen to the daemon";

/// Returns whether a child of this process lives. Unless `flags` has WNOWAIT, one that has ended is reaped.
fn child_lives(pid: Pid, flags: c_int) -> bool {
    matches!(waitid(Children::One(pid), WNOHANG | flags), Ok(None))
}

/// Waits until one of these can be read; returns the first one that can, or `None` at the deadline. Once in a second that is the
/// first: what a signal handler could not write there is seen late, and not never.
pub(super) fn poll<const N: usize>(
    sockets: [Option<&UnixStream>; N],
    deadline: Option<Instant>,
) -> nix::Result<Option<usize>> {
    const SECOND: Duration = Duration::from_secs(1);
    // poll(2) passes over what has the number -1.
    let fd = |socket: Option<&UnixStream>| socket.map_or(-1 as RawFd, AsRawFd::as_raw_fd);
    let mut polled = sockets.map(|socket| libc::pollfd { fd: fd(socket), events: libc::POLLIN, revents: 0 });
    let left = || deadline.map_or(SECOND, |deadline| deadline.saturating_duration_since(Instant::now()).min(SECOND));
    let count = retry(|| sys::poll(&mut polled, left()))?;
    let is_over = deadline.is_some_and(|deadline| deadline <= Instant::now());
    Ok(match count {
        0 if is_over => None,
        0 => Some(0),
        _ => polled.iter().position(|polled| polled.revents != 0),
    })
}
