//! The three processes, and who waits for whom.
//!
//! The launcher adopts the daemon: as the nearest subreaper it becomes its parent when the session leader has gone, so
//! it learns exactly how a failed start has ended. They talk over a socket: the session leader says the daemon's pid, and
//! the daemon, later, that it is ready; the launcher says `go` and exits. Each sees the other's end, however it comes.

use std::convert::Infallible;
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::mem::{self, ManuallyDrop};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::unistd::{ForkResult, Pid, getpgid, getpid, setsid};

use crate::error::{Error, Result, Step, code, errno_of, report};
use crate::step::pid_file::{PidFile, remove_kept};
use crate::step::signals::{self, Blocked};
use crate::sys::{self, Children, End, retry};
use crate::trace::Trace;

/// How long processes that were asked to end may take until they are made to.
const GRACE: Duration = Duration::from_secs(5);

const READY: u8 = b'r';
const GO: u8 = b'g';

/// The daemon's side of the launch: its launcher.
#[derive(Debug)]
pub(crate) struct Launcher {
    /// Stays open in a main that drops its `Ready`: else nothing would tell of the launcher's death any more.
    channel: ManuallyDrop<UnixStream>,
    pid: Pid,
    pidfd: OwnedFd,
}

/// Forks twice. Only the daemon returns; or the program, if nothing could be started.
///
/// The launcher stays behind, waits until the daemon is ready, and exits as the start ends.
///
/// If that fails, `pid_file` is removed before `signals` are let through: parameters are dropped from the last to the first.
pub(crate) fn detach(
    signals: Signals,
    pid_file: Option<PidFile>,
    limit: Duration,
    trace: Trace,
) -> Result<(Launcher, Option<PidFile>)> {
    let (near, far) = sys::socket_pair().map_err(|errno| failed("make a socket", errno))?;
    let (started, launcher) = (Instant::now(), getpid());
    trace.header();
    trace.row("program started");
    signals::default_sigchld()?;
    retry(|| set_child_subreaper(true)).map_err(|errno| failed("adopt the daemon", errno))?;
    match fork()? {
        ForkResult::Parent { child: leader } => {
            let channel = Some(near);
            let mut start =
                Start { leader, leader_gone: false, daemon: None, channel, signals, started, limit, pid_file };
            // Only the daemon holds its end, so that its death is seen at the other.
            let Err(ending) = close(far).map_err(Ending::from).and_then(|()| start.follow());
            start.take_back(ending)
        }
        ForkResult::Child => {
            // `signals::reset` unblocks them.
            mem::forget(signals.blocked);
            let closed = close(near).and_then(|()| close(signals.fd));
            let led = closed.and_then(|()| lead_session(far, trace));
            let channel = led.unwrap_or_else(|error| error.report_and_exit_now());
            // While the launcher lives nobody else can have its pid, and if it should be dead, `arm` finds out.
            let pidfd = sys::pidfd_open(launcher).map_err(|errno| failed("watch the launcher", errno))?;
            Ok((Launcher { channel: ManuallyDrop::new(channel), pid: launcher, pidfd }, pid_file))
        }
    }
}

/// The session leader: a new session, the second fork, and the end. The daemon returns.
fn lead_session(mut channel: UnixStream, trace: Trace) -> Result<UnixStream> {
    trace.row("first fork");
    retry(setsid).map_err(|errno| failed("create a session", errno))?;
    trace.row("setsid in the first child");
    match fork()? {
        ForkResult::Parent { child: daemon } => {
            trace.child_row("second fork", daemon);
            let said = channel.write_all(&daemon.as_raw().to_ne_bytes());
            said.map_err(|error| failed("talk to the launcher", errno_of(&error)))?;
            sys::exit_now(0)
        }
        ForkResult::Child => Ok(channel),
    }
}

// ---- The launcher

/// A start under way, as the launcher sees it.
struct Start {
    leader: Pid,
    leader_gone: bool,
    daemon: Option<Pid>,
    /// `None` after the daemon's end was closed.
    channel: Option<UnixStream>,
    signals: Signals,
    started: Instant,
    limit: Duration,
    pid_file: Option<PidFile>,
}

/// Why a start ends without a daemon.
enum Ending {
    /// The session leader or the daemon has exited with this code and said why itself.
    Exited(c_int),
    /// The daemon has exited as if all were well.
    NeverReady,
    Killed(&'static str, c_int),
    TooSlow,
    Interrupted(Signal),
    Failed(Error),
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Ending::Failed(error)
    }
}

impl Start {
    /// Follows the start to its end. If that is a daemon, the launcher's work is done, and so is the launcher.
    fn follow(&mut self) -> std::result::Result<Infallible, Ending> {
        let mut ready = false;
        loop {
            let (message, signal) =
                self.wait(self.started.checked_add(self.limit), self.channel.as_ref())?.ok_or(Ending::TooSlow)?;
            if signal {
                self.read_signals()?;
            }
            if message {
                ready |= self.read_message()?;
            }
            self.look_for_the_dead()?;
            // With the pid still unread, the daemon would find the socket reset instead of `go`.
            if ready && self.leader_gone && self.daemon.is_some() {
                self.go()?;
                // A daemon that died since it was ready is none. If it dies from now on, it does so as a daemon.
                self.look_for_the_dead()?;
                sys::exit_now(0);
            }
        }
    }

    /// Waits until there is a message or a signal to read; `None` is the deadline.
    fn wait(&self, deadline: Option<Instant>, channel: Option<&UnixStream>) -> Result<Option<(bool, bool)>> {
        let mut polled = vec![PollFd::new(self.signals.fd.as_fd(), PollFlags::POLLIN)];
        polled.extend(channel.map(|channel| PollFd::new(channel.as_fd(), PollFlags::POLLIN)));
        let events = retry(|| {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            // Without a deadline, a wake-up in some weeks does no harm.
            poll(&mut polled, sys::poll_timeout(left.unwrap_or(Duration::MAX)))
        });
        match events.map_err(|errno| failed("wait for the daemon", errno))? {
            0 => Ok(None),
            _ => {
                let any = |index: usize| polled.get(index).and_then(PollFd::any).unwrap_or(false);
                Ok(Some((any(1), any(0))))
            }
        }
    }

    /// Reads the daemon's pid, or that it is ready. The two come from two processes, in either order.
    fn read_message(&mut self) -> Result<bool> {
        let Some(channel) = &mut self.channel else { return Ok(false) };
        let mut message = [0; size_of::<libc::pid_t>()];
        match retry(|| channel.read(&mut message).map_err(|error| errno_of(&error))) {
            Ok(1) => return Ok(message[0] == READY),
            // Its death will be seen next; or it has started another program in its place, which cannot get ready.
            Ok(0) | Err(Errno::ECONNRESET) => self.channel = None,
            Ok(_) => self.daemon = Some(Pid::from_raw(libc::pid_t::from_ne_bytes(message))),
            Err(errno) => return Err(failed("listen to the daemon", errno)),
        }
        Ok(false)
    }

    fn read_signals(&mut self) -> std::result::Result<(), Ending> {
        while let Some(signal) = self.signals.read()? {
            if signal != Signal::SIGCHLD {
                return Err(Ending::Interrupted(signal));
            }
        }
        Ok(())
    }

    /// Looks whether the session leader has gone, as it should, and whether the daemon has, as it should not.
    fn look_for_the_dead(&mut self) -> std::result::Result<(), Ending> {
        if !self.leader_gone {
            match ended(Children::One(self.leader), libc::WNOWAIT)? {
                None => return Ok(()),
                Some(End::Exited(0)) => {}
                Some(End::Exited(code)) => return Err(Ending::Exited(code)),
                Some(End::Killed(signal)) => return Err(Ending::Killed("session leader", signal)),
            }
            // Reaped now, so that the process group's only zombie can be the daemon.
            ended(Children::One(self.leader), 0)?;
            self.leader_gone = true;
        }
        // As long as its pid has not been read, the daemon is the only one of its process group.
        match ended(self.daemon.map_or(Children::Group(self.leader), Children::One), libc::WNOWAIT)? {
            None => Ok(()),
            Some(End::Exited(0)) => Err(Ending::NeverReady),
            Some(End::Exited(code)) => Err(Ending::Exited(code)),
            Some(End::Killed(signal)) => Err(Ending::Killed("daemon", signal)),
        }
    }

    fn go(&mut self) -> Result<()> {
        // A daemon that has closed its end does not wait for this.
        let closed = || Err(ErrorKind::BrokenPipe.into());
        let said = self.channel.as_mut().map_or_else(closed, |channel| channel.write_all(&[GO]));
        said.map_err(|error| failed("let the daemon go", errno_of(&error)))
    }

    /// Leaves nothing behind, says why, and ends as the start has ended.
    fn take_back(mut self, ending: Ending) -> ! {
        // The rest of a process group whose daemon is dead has nothing to finish.
        let grace = match ending {
            Ending::Exited(_) | Ending::NeverReady | Ending::Killed(..) => None,
            Ending::TooSlow | Ending::Interrupted(_) | Ending::Failed(_) => Some(GRACE),
        };
        self.end_group(grace);
        drop(self.pid_file.take());
        // What has come by now is answered by this end. What comes from now on may end a process that writes to a pipe
        // which nobody reads.
        while let Ok(Some(_)) = self.signals.read() {}
        drop(self.signals);
        match ending {
            Ending::Exited(code) => sys::exit_now(code),
            Ending::NeverReady => {
                let why = "it exited with code 0 before it was ready";
                let error = Error::new(Step::Ready, code::SOFTWARE, "start the daemon", why);
                error.advise("call ready.notify() before main returns").report_and_exit_now()
            }
            Ending::Killed(who, signal) => {
                let name =
                    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |name| name.to_string());
                report(&format!("cannot start the daemon: the {who} was killed by {name}"));
                sys::exit_now(128 + signal)
            }
            Ending::TooSlow => {
                let why = format!("it was not ready after {:?}", self.limit);
                Error::new(Step::Ready, code::TEMPORARY, "start the daemon", why)
                    .advise("call ready.notify() in time, or raise start_timeout")
                    .report_and_exit_now()
            }
            Ending::Interrupted(signal) => {
                report(&format!("the start was interrupted by {signal} and is taken back"));
                // Whoever started this process is to see what has ended it.
                if sys::set_disposition(signal as c_int, libc::SIG_DFL).is_ok() {
                    sys::raise_unblocked(signal as c_int);
                }
                sys::exit_now(128 + signal as c_int)
            }
            Ending::Failed(error) => error.report_and_exit_now(),
        }
    }

    /// Ends the daemon's process group, and waits until it is gone.
    ///
    /// A call that fails here has no second way. The daemon ends by itself when the launcher has gone without `go`.
    fn end_group(&mut self, grace: Option<Duration>) {
        for (signal, patience) in [(Signal::SIGTERM, grace), (Signal::SIGKILL, Some(GRACE))] {
            let Some(patience) = patience else { continue };
            // The group's number is not used again while a member of it has not been waited for.
            if !self.leader_gone {
                let _ = kill(self.leader, signal);
            }
            let _ = killpg(self.leader, signal);
            // Its body may have made a process group of its own.
            if let Some(daemon) = self.daemon.filter(|daemon| getpgid(Some(*daemon)) != Ok(self.leader)) {
                let _ = kill(daemon, signal);
            }
            let deadline = Instant::now() + patience;
            loop {
                let leader_was_gone = self.leader_gone;
                if self.reap() {
                    return;
                }
                if self.leader_gone && !leader_was_gone {
                    // The daemon may have been forked after the signal had gone to the leader.
                    let _ = killpg(self.leader, signal);
                }
                // Not to the daemon, which may be saying that it is ready. Nor must its channel be closed: it would take
                // that for the launcher's death, and not end in its own way.
                match self.wait(Some(deadline), None) {
                    Ok(Some(_)) => {}
                    Ok(None) | Err(_) => break,
                }
                // A second Ctrl-C means now.
                if matches!(self.signals.read(), Ok(Some(signal)) if signal != Signal::SIGCHLD) {
                    break;
                }
            }
        }
    }

    /// Waits for those of the process group that have ended, and for the daemon; returns whether none is left.
    fn reap(&mut self) -> bool {
        if !self.leader_gone {
            self.leader_gone = !matches!(sys::waitid(Children::One(self.leader), 0), Ok(None));
        }
        // Before the session leader has gone it is not a child of this process.
        if self.leader_gone {
            let lives = |daemon: &Pid| matches!(sys::waitid(Children::One(*daemon), 0), Ok(None));
            self.daemon = self.daemon.filter(lives);
        }
        loop {
            match sys::waitid(Children::Group(self.leader), 0) {
                // The children of a process that has ended come to this one, the subreaper.
                Ok(Some(_)) => {}
                Ok(None) => return false,
                // ECHILD: nobody is left.
                Err(_) => return self.leader_gone && self.daemon.is_none(),
            }
        }
    }
}

/// How a child has ended, if it has.
fn ended(children: Children, flags: c_int) -> Result<Option<End>> {
    sys::waitid(children, flags).map_err(|errno| failed("look for the daemon", errno))
}

/// The signals that the launcher waits for: the death of a child, and what may interrupt a start.
pub(crate) struct Signals {
    fd: OwnedFd,
    blocked: Blocked,
}

impl Signals {
    pub(crate) fn block() -> Result<Self> {
        let failed = |errno| Error::system(Step::Signals, "wait for signals", errno);
        let mut watched = SigSet::empty();
        watched.add(Signal::SIGCHLD);
        for signal in signals::ENDS {
            // Who ignores one (nohup, a shell's background job) goes on ignoring it; blocked, it would arrive.
            if sys::disposition(signal as c_int).map_err(failed)?.sa_sigaction != libc::SIG_IGN {
                watched.add(signal);
            }
        }
        let fd = sys::signalfd(&watched).map_err(failed)?;
        // A daemon that dies while it is spoken to is no reason to die.
        watched.add(Signal::SIGPIPE);
        Ok(Signals { fd, blocked: Blocked::new(&watched)? })
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    fn read(&self) -> Result<Option<Signal>> {
        let mut info = [0; size_of::<libc::signalfd_siginfo>()];
        match retry(|| nix::unistd::read(&self.fd, &mut info)) {
            // `ssi_signo` is the first member.
            Ok(_) => Ok(Signal::try_from(i32::from_ne_bytes([info[0], info[1], info[2], info[3]])).ok()),
            Err(Errno::EAGAIN) => Ok(None),
            Err(errno) => Err(Error::system(Step::Signals, "read a signal", errno)),
        }
    }
}

// ---- The daemon

/// The daemon's end of the channel, for the handler.
static CHANNEL: AtomicI32 = AtomicI32::new(-1);

/// Ends the daemon and all of its process group if the launcher is dead. The handler of SIGIO; async-signal-safe.
pub(crate) extern "C" fn launcher_gone(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let channel = CHANNEL.load(Ordering::Relaxed);
    if channel >= 0 && sys::hung_up(channel) {
        remove_kept();
        sys::kill_own_group();
    }
}

impl Launcher {
    /// From now on, until [`ready`](Self::ready), the launcher's death is the daemon's too.
    ///
    /// The signal comes from the socket and not from PR_SET_PDEATHSIG, which would have to wait for the session leader's
    /// end, and could be taken back only by the thread that asked for it. After the last change of ids, because the
    /// kernel compares those of whoever asked with those of the receiver.
    pub(crate) fn arm(&self) -> Result<()> {
        let failed = |errno| failed("watch the launcher", errno);
        CHANNEL.store(self.channel.as_raw_fd(), Ordering::Relaxed);
        sys::set_handler(Signal::SIGIO, launcher_gone).map_err(failed)?;
        sys::own_signals_of(self.channel.as_fd()).map_err(failed)?;
        self.set_status(OFlag::O_ASYNC).map_err(failed)?;
        match sys::hung_up(self.channel.as_raw_fd()) {
            false => Ok(()),
            true => Err(gone()),
        }
    }

    fn disarm(&self) -> Result<()> {
        let failed = |errno| failed("leave the launcher", errno);
        CHANNEL.store(-1, Ordering::Relaxed);
        self.set_status(OFlag::empty()).map_err(failed)?;
        sys::set_disposition(Signal::SIGIO as c_int, libc::SIG_DFL).map_err(failed)
    }

    /// The status flags of the socket: F_SETFL of fcntl(2).
    fn set_status(&self, flags: OFlag) -> nix::Result<()> {
        retry(|| fcntl(&*self.channel, FcntlArg::F_SETFL(flags))).map(drop)
    }

    /// Makes the calls that come after READY, while their end is still the start's: the body may have forbidden them
    /// with seccomp(2), on pain of death.
    fn rehearse(&mut self) -> Result<()> {
        if !sys::has_seccomp_filter() {
            return Ok(());
        }
        let failed = |errno| failed("wait for the launcher's end", errno);
        let mut polled = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        retry(|| poll(&mut polled, PollTimeout::ZERO)).map_err(failed)?;
        self.set_status(OFlag::O_NONBLOCK).map_err(failed)?;
        // There is nothing to learn yet; and `went` does without what fails.
        let _ = self.channel.read(&mut [0]);
        let _ = self.exit_status();
        self.set_status(OFlag::empty()).map_err(failed)
    }

    /// Says that the daemon is ready, and waits until the launcher has gone. From then on nothing can fail.
    pub(crate) fn ready(mut self) -> Result<()> {
        self.disarm()?;
        self.rehearse()?;
        self.channel.write_all(&[READY]).map_err(|error| failed("say that it is ready", errno_of(&error)))?;
        self.wait_for_its_end();
        if !self.went() {
            return Err(gone());
        }
        // What is not closed now would be closed with the daemon.
        let _ = sys::close(ManuallyDrop::into_inner(self.channel).into());
        let _ = sys::close(self.pidfd);
        Ok(())
    }

    /// pidfd_open(2): a descriptor that becomes readable when the process has ended, its children reparented.
    fn wait_for_its_end(&self) {
        let mut polled = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        // Whatever goes wrong with this call, the launcher ends in any case: it goes, it is killed, or it is too late.
        while !matches!(poll(&mut polled, PollTimeout::NONE), Ok(1)) {}
    }

    /// Whether the launcher, which is dead, has said `go` and then exited with 0.
    fn went(&mut self) -> bool {
        let mut go = [0];
        match self.channel.read_exact(&mut go) {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => false,
            // Between `go` and its exit the launcher may have been killed, so its exit status has the last word. Where
            // that is unknown (before Linux 6.15), `go` counts; and that it cannot be read does not count against it.
            Ok(()) | Err(_) => self.exit_status().is_none_or(|status| status == 0),
        }
    }

    /// The launcher's exit status as wait(2) gives it: from the pidfd, or from /proc while it still is a zombie.
    fn exit_status(&self) -> Option<c_int> {
        let of_reaped = || sys::pidfd_exit_status(self.pidfd.as_fd());
        // To a daemon that is another user by now it shows 0, which is what "unknown" comes to.
        let of_zombie = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
            stat.rsplit_once(") Z ")?.1.split_ascii_whitespace().last()?.parse().ok()
        };
        of_reaped().or_else(of_zombie).or_else(of_reaped)
    }
}

fn gone() -> Error {
    let why = "the launcher has gone";
    Error::new(Step::Launch, code::TEMPORARY, "start the daemon", why).advise("start it again")
}

fn fork() -> Result<ForkResult> {
    sys::fork().map_err(|errno| failed("fork", errno))
}

fn close(fd: impl Into<OwnedFd>) -> Result<()> {
    sys::close(fd.into()).map_err(|errno| failed("close what is another process's", errno))
}

fn failed(what: &str, errno: Errno) -> Error {
    Error::system(Step::Launch, what, errno)
}
