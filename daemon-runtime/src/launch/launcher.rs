//! The launcher: it waits until the daemon is ready; or it ends what has been started, and says why.

use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::{self, c_int};
use nix::sys::signal::{SigSet, Signal, kill, killpg, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, getpgid};

use super::message::{Message, send_error};
use super::{close, failed};
use crate::error::{Error, ErrorKind, Result, Step};
use crate::report::report;
use crate::step::log::CreatedLogs;
use crate::step::pid_file::PidFile;
use crate::step::signal_mask::BlockedSignals;
use crate::step::termination::TERMINATION_SIGNALS;
use crate::sys::{self, Children, ExitStatus, retry, waitid};

/// How long processes that were asked to end may take before they are killed, and the killed ones until they are gone.
const GRACE: Duration = Duration::from_secs(5);

/// The launcher's view of a start.
pub(super) struct Launcher<'a> {
    /// Unreaped until the launcher ends, so that the numbers of this process and of its group stay theirs.
    pub(super) leader: Pid,
    pub(super) leader_ended: bool,
    /// As the session leader has told it.
    pub(super) daemon: Option<Pid>,
    pub(super) ready: bool,
    /// `None` after the daemon's end was closed.
    pub(super) channel: Option<UnixStream>,
    pub(super) adopts_orphans: bool,
    /// Who waits for this process: [`Daemon::spawn`](crate::Daemon::spawn).
    pub(super) client: Option<&'a UnixStream>,
    pub(super) signals: LauncherSignals,
    pub(super) started: Instant,
    pub(super) limit: Duration,
    pub(super) pid_file: Option<PidFile>,
    pub(super) created_logs: CreatedLogs,
}

/// Why a start ends without a daemon.
enum FailedStart {
    /// The session leader or the daemon has exited with this code, and has said why.
    Exited(c_int),
    /// The daemon has exited with 0 before it was ready.
    NeverReady,
    Killed(&'static str, c_int),
    /// It has ended, and how cannot be seen here.
    Unseen,
    TimedOut(Duration),
    Interrupted(Signal),
    /// The client that waits for the launcher has died.
    ClientDied,
    Failed(Error),
}

impl From<Error> for FailedStart {
    fn from(error: Error) -> Self {
        FailedStart::Failed(error)
    }
}

impl FailedStart {
    fn into_error(self) -> Error {
        let failed = |kind, why: String| Error::new(Step::Ready, kind, "start the daemon", why);
        match self {
            FailedStart::Exited(code) => {
                failed(ErrorKind::StartFailed, format!("it exited with code {code} before it was ready"))
                    .with_exit_code(code)
            }
            FailedStart::NeverReady => failed(ErrorKind::Misuse, "it exited with code 0 before it was ready".into())
                .advise("call ready.notify() before main returns"),
            FailedStart::Killed(process, signal) => {
                let name =
                    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |name| name.to_string());
                failed(ErrorKind::StartFailed, format!("the {process} was killed by {name}"))
                    .with_exit_code(128 + signal)
            }
            FailedStart::Unseen => failed(ErrorKind::StartFailed, "it ended before it was ready".into())
                .advise("read what it has printed; its exit code cannot be seen here"),
            FailedStart::TimedOut(limit) => failed(ErrorKind::TimedOut, format!("it was not ready after {limit:?}"))
                .advise("call ready.notify() in time, or raise start_timeout"),
            FailedStart::Interrupted(signal) => {
                failed(ErrorKind::Interrupted, format!("it was interrupted by {signal}; nothing is left running"))
                    .with_exit_code(128 + signal as c_int)
            }
            FailedStart::ClientDied => {
                failed(ErrorKind::Interrupted, "the process that starts it has died; nothing is left running".into())
            }
            FailedStart::Failed(error) => error,
        }
    }
}

/// What [`Launcher::wait`] has seen.
struct Events {
    signal: bool,
    message: bool,
    client_died: bool,
}

impl Launcher<'_> {
    /// Waits until the start has ended, and exits as it has ended.
    pub(super) fn wait_and_exit(mut self, daemon_end: UnixStream) -> ! {
        // Only the daemon holds its end, so that its death is seen at the other.
        match close(daemon_end).map_err(FailedStart::from).and_then(|()| self.wait_until_ready()) {
            // daemon(7), step 15.
            Ok(()) => {
                if let Some(client) = self.client {
                    // The exit code says the same.
                    let _ = Message::Go.send(client);
                }
                // It has ended. A parent that adopts orphans, and is no init, would not wait for it.
                let _ = waitid(Children::One(self.leader), 0);
                sys::exit_now(0)
            }
            Err(reason) => self.abort(reason),
        }
    }

    /// Waits until the daemon is ready, and lets it go on.
    fn wait_until_ready(&mut self) -> std::result::Result<(), FailedStart> {
        loop {
            let deadline = self.started.checked_add(self.limit);
            // Until the session leader has ended, nothing is decided by a message, and each wake-up takes processor time.
            let channel = self.channel.as_ref().filter(|_| self.leader_ended);
            let events = self.wait(deadline, channel, self.client)?.ok_or(FailedStart::TimedOut(self.limit))?;
            if events.signal {
                self.read_signals()?;
            }
            if events.client_died {
                return Err(FailedStart::ClientDied);
            }
            if events.message {
                self.read_message()?;
            }
            self.check_children()?;
            // A message that is left unread would reset the socket when this process exits, before `Go` is read.
            if self.ready && self.leader_ended && self.daemon.is_some() && self.send_go()? {
                return Ok(());
            }
        }
    }

    /// Waits for a signal, or for the daemon or the client; `None` is the deadline.
    fn wait(
        &self,
        deadline: Option<Instant>,
        channel: Option<&UnixStream>,
        client: Option<&UnixStream>,
    ) -> Result<Option<Events>> {
        // poll(2) passes over what has the number -1.
        let of = |socket: Option<&UnixStream>| pollfd(socket.map_or(-1, AsRawFd::as_raw_fd));
        let mut polled = [pollfd(self.signals.fd()), of(channel), of(client)];
        let events = retry(|| {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Without a deadline, a wake-up in some weeks does no harm.
            sys::poll(&mut polled, left.unwrap_or(Duration::MAX))
        });
        match events.map_err(|errno| failed("wait for the daemon", errno))? {
            0 => Ok(None),
            _ => {
                let happened = |at: usize| polled[at].revents != 0;
                Ok(Some(Events { signal: happened(0), message: happened(1), client_died: happened(2) }))
            }
        }
    }

    /// Reads the daemon's pid, or that it is ready. The two come from two processes, in either order.
    fn read_message(&mut self) -> Result<()> {
        let Some(channel) = &self.channel else { return Ok(()) };
        match Message::receive(channel).map_err(|errno| failed("listen to the daemon", errno))? {
            Some(Message::Started(pid)) => self.daemon = Some(pid),
            Some(Message::Ready) => self.ready = true,
            Some(Message::Go | Message::DaemonReady(_)) => return Err(failed("listen to the daemon", Errno::EBADMSG)),
            // Its death will be seen next; or it has executed another program, which can never be ready.
            None => self.channel = None,
        }
        Ok(())
    }

    fn read_signals(&mut self) -> std::result::Result<(), FailedStart> {
        while let Some(signal) = self.signals.read()? {
            if signal != Signal::SIGCHLD {
                return Err(FailedStart::Interrupted(signal));
            }
        }
        Ok(())
    }

    /// Checks whether the session leader has ended, as it should, and whether the daemon has, as it should not.
    fn check_children(&mut self) -> std::result::Result<(), FailedStart> {
        let ended = |pid| waitid(Children::One(pid), libc::WNOWAIT);
        let failed = |errno| failed("look for the daemon", errno);
        if !self.leader_ended {
            match ended(self.leader).map_err(failed)? {
                None => return Ok(()),
                Some(ExitStatus::Exited(0)) => self.leader_ended = true,
                Some(ExitStatus::Exited(code)) => return Err(FailedStart::Exited(code)),
                Some(ExitStatus::Killed(signal)) => return Err(FailedStart::Killed("session leader", signal)),
            }
        }
        // Its pid was sent before the session leader ended, and is read next if it has not been yet.
        let Some(daemon) = self.daemon else { return Ok(()) };
        match ended(daemon) {
            Ok(None) => Ok(()),
            Ok(Some(ExitStatus::Exited(0))) => Err(FailedStart::NeverReady),
            Ok(Some(ExitStatus::Exited(code))) => Err(FailedStart::Exited(code)),
            Ok(Some(ExitStatus::Killed(signal))) => Err(FailedStart::Killed("daemon", signal)),
            Err(Errno::ECHILD) if !self.adopts_orphans => match self.channel {
                Some(_) => Ok(()),
                None => Err(FailedStart::Unseen),
            },
            Err(errno) => Err(failed(errno).into()),
        }
    }

    /// Lets the daemon go on; returns whether it was there to hear it.
    ///
    /// The client is told before, since that may fail. It believes so only when it is told, or sees by the exit code of this
    /// process, that the daemon goes on.
    fn send_go(&mut self) -> Result<bool> {
        let Some(channel) = &self.channel else { return Ok(false) };
        if let (Some(client), Some(daemon)) = (self.client, self.daemon) {
            Message::DaemonReady(daemon).send(client).map_err(|errno| failed("tell the client", errno))?;
        }
        match Message::Go.send(channel) {
            Ok(()) => Ok(true),
            // It has died since it was ready: its end, which is waited for, is the start's.
            Err(Errno::EPIPE | Errno::ECONNRESET) => {
                self.channel = None;
                Ok(false)
            }
            Err(errno) => Err(failed("let the daemon go on", errno)),
        }
    }

    /// Ends what has been started, leaves nothing behind, says why, and exits as the start has ended.
    fn abort(mut self, reason: FailedStart) -> ! {
        // A daemon that says only now that it is ready need not wait for `Go`. If this fails, it waits until it is ended.
        let _ = self.channel.as_ref().map(|channel| channel.shutdown(Shutdown::Write));
        // The rest of a process group whose daemon is dead has nothing to finish.
        let grace = match reason {
            FailedStart::Exited(_) | FailedStart::NeverReady | FailedStart::Killed(..) | FailedStart::Unseen => None,
            _ => Some(GRACE),
        };
        self.end_processes(grace);
        drop(self.pid_file.take());
        drop(self.created_logs);
        // The signals that have come by now are answered by this end. One that comes from now on may end this process,
        // which may have to write to a pipe that nobody reads.
        while let Ok(Some(_)) = self.signals.read() {}
        drop(self.signals);
        match (reason, self.client) {
            (reason, Some(client)) => {
                let error = reason.into_error();
                // If the client has died, nobody waits for this.
                let _ = send_error(client, &error);
                sys::exit_now(error.exit_code().into())
            }
            // It has said itself why.
            (FailedStart::Exited(code), None) => sys::exit_now(code),
            (FailedStart::Interrupted(signal), None) => {
                report(&format!("the start was interrupted by {signal}; nothing is left running"));
                // Whoever started this process is to see what has ended it.
                if sys::set_disposition(signal as c_int, libc::SIG_DFL).is_ok() && raise(signal).is_ok() {
                    // It may be blocked, as the program was started.
                    let _ = SigSet::from(signal).thread_unblock();
                }
                sys::exit_now(128 + signal as c_int)
            }
            (reason, None) => reason.into_error().exit_now(),
        }
    }

    /// Ends the daemon and its process group, and waits until they are gone: SIGTERM, if there is a time of `grace`, and
    /// then SIGKILL.
    ///
    /// A call that fails here has no second way. The daemon ends by itself when the launcher has gone without `Go`.
    fn end_processes(&mut self, grace: Option<Duration>) {
        for (signal, patience) in [(Signal::SIGTERM, grace), (Signal::SIGKILL, Some(GRACE))] {
            let Some(patience) = patience else { continue };
            self.signal_processes(signal);
            let deadline = Instant::now() + patience;
            loop {
                let leader_had_ended = self.leader_ended;
                if self.reap() {
                    return;
                }
                if self.leader_ended && !leader_had_ended {
                    // The daemon may have been forked after the signal had gone to the leader.
                    self.signal_processes(signal);
                }
                // The daemon's messages are not waited for: it may be saying that it is ready. But its channel stays
                // open: it would take the end of that for the launcher's death, and not end in its own way.
                match self.wait(Some(deadline), None, None) {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
                // A second Ctrl-C means now.
                if matches!(self.signals.read(), Ok(Some(signal)) if signal != Signal::SIGCHLD) {
                    break;
                }
            }
        }
        let who = self.daemon.map_or("the daemon".into(), |daemon| format!("process {daemon}"));
        report(&format!("{who} does not end, although SIGKILL was sent {GRACE:?} ago"));
    }

    /// Sends a signal to the session leader, its process group, and a daemon that has left it. Each has a process that is
    /// not reaped yet, so that no number can be a stranger's.
    fn signal_processes(&self, signal: Signal) {
        // Until it has called setsid it is in the launcher's group.
        if !self.leader_ended {
            let _ = kill(self.leader, signal);
        }
        let _ = killpg(self.leader, signal);
        // What the session leader has told is only believed of a child.
        let is_child = |daemon: &Pid| matches!(waitid(Children::One(*daemon), libc::WNOWAIT), Ok(None));
        let elsewhere = |daemon: &Pid| getpgid(Some(*daemon)) != Ok(self.leader);
        if let Some(daemon) = self.daemon.filter(|daemon| elsewhere(daemon) && is_child(daemon)) {
            let _ = kill(daemon, signal);
        }
    }

    /// Reaps those that have ended; returns whether none is left. The session leader comes last.
    fn reap(&mut self) -> bool {
        let lives = |pid, flags| matches!(waitid(Children::One(pid), flags), Ok(None));
        self.leader_ended = self.leader_ended || !lives(self.leader, libc::WNOWAIT);
        // Before the session leader has ended it is not a child of this process.
        if !self.leader_ended || self.daemon.is_some_and(|daemon| lives(daemon, 0)) {
            return false;
        }
        loop {
            match waitid(Children::Group(self.leader), 0) {
                // The children of a process that has ended come to this one, the subreaper.
                Ok(Some(_)) => {}
                // A member lives, and keeps the group's number in use.
                Ok(None) => return false,
                // ECHILD: nobody is left.
                Err(_) => return true,
            }
        }
    }
}

fn pollfd(fd: RawFd) -> libc::pollfd {
    libc::pollfd { fd, events: libc::POLLIN, revents: 0 }
}

/// The signals that the launcher waits for: the death of a child, and what may interrupt a start.
pub(crate) struct LauncherSignals {
    fd: SignalFd,
    blocked: BlockedSignals,
}

impl LauncherSignals {
    /// Blocks them, and opens a descriptor to read them from: signalfd(2).
    pub(crate) fn block() -> Result<Self> {
        let failed = |errno| Error::system(Step::Signals, "wait for signals", errno);
        let mut watched = SigSet::empty();
        watched.add(Signal::SIGCHLD);
        for signal in TERMINATION_SIGNALS {
            // A program that ignores one (nohup, a shell's background job) goes on ignoring it; blocked, it would arrive.
            if sys::disposition(signal as c_int).map_err(failed)?.sa_sigaction != libc::SIG_IGN {
                watched.add(signal);
            }
        }
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let fd = retry(|| SignalFd::with_flags(&watched, flags)).map_err(failed)?;
        // The launcher must not die of writing to a daemon that has died.
        watched.add(Signal::SIGPIPE);
        Ok(LauncherSignals { fd, blocked: BlockedSignals::block(&watched)? })
    }

    fn fd(&self) -> RawFd {
        self.fd.as_fd().as_raw_fd()
    }

    /// The mask that the program had.
    pub(crate) fn mask_before(&self) -> SigSet {
        self.blocked.mask_before()
    }

    fn read(&self) -> Result<Option<Signal>> {
        let info = retry(|| self.fd.read_signal());
        let info = info.map_err(|errno| Error::system(Step::Signals, "read a signal", errno))?;
        Ok(info.and_then(|info| Signal::try_from(info.ssi_signo as c_int).ok()))
    }

    /// Closes the descriptor in a child. The signals stay blocked until the daemon has reset the mask.
    pub(super) fn leave_blocked(self) {
        // SignalFd closes the descriptor, and what is closed here is not the launcher's: nothing is lost if that fails.
        self.blocked.leave_blocked();
    }
}
