//! The daemon, until it is ready: it watches the launcher, says that it is ready, and waits for `Go`.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{c_int, c_void, sigaction, sighandler_t, siginfo_t};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getppid};

use super::failed;
use super::message::Message;
use crate::errno::errno_of;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::step::pid_file::remove_kept;
use crate::sys::{self, FileId, Published, retry};

/// The daemon's connection to its launcher.
#[derive(Debug)]
pub(crate) struct LauncherHandle {
    /// Stays open in a main that drops its `Ready`: else nothing would tell of the launcher's death any more.
    channel: ManuallyDrop<UnixStream>,
    /// The body may have closed the channel, and use its number for something else.
    channel_id: FileId,
    launcher: Pid,
}

/// What the handler of SIGIO needs, and what it has replaced.
struct Watch {
    channel: RawFd,
    channel_id: FileId,
    action_before: sigaction,
}

static WATCH: Published<Watch> = Published::nothing();

/// Ends the daemon and its process group if the launcher is dead. The handler of SIGIO; async-signal-safe.
pub(crate) extern "C" fn end_without_launcher(_: c_int, _: *mut siginfo_t, _: *mut c_void) {
    let errno = Errno::last();
    let has_channel = |watch: &&Watch| sys::file_id(watch.channel) == Ok(watch.channel_id);
    if WATCH.get().filter(has_channel).is_some_and(|watch| sys::hung_up(watch.channel)) {
        remove_kept();
        sys::kill_own_group();
    }
    errno.set();
}

impl LauncherHandle {
    pub(super) fn new(channel: UnixStream, launcher: Pid) -> Result<Self> {
        let channel_id = sys::file_id(channel.as_raw_fd()).map_err(|errno| failed("look at the socket", errno))?;
        Ok(LauncherHandle { channel: ManuallyDrop::new(channel), channel_id, launcher })
    }

    /// Ends the daemon too, from now on until it is [ready](Self::report_ready), if the launcher dies.
    ///
    /// The signal comes from the socket and not from PR_SET_PDEATHSIG, which would have to wait for the session leader's
    /// end, and could be taken back only by the thread that asked for it. After the last change of ids, because the
    /// kernel compares those of whoever asked with those of the receiver.
    pub(crate) fn watch_launcher(&self) -> Result<()> {
        let failed = |errno| failed("watch the launcher", errno);
        let action_before = sys::disposition(Signal::SIGIO as c_int).map_err(failed)?;
        WATCH.publish(Watch { channel: self.channel.as_raw_fd(), channel_id: self.channel_id, action_before });
        sys::set_handler(Signal::SIGIO, end_without_launcher).map_err(failed)?;
        sys::send_sigio_to_us(self.channel.as_fd()).map_err(failed)?;
        self.set_status(OFlag::O_ASYNC).map_err(failed)?;
        // It may have died before.
        match sys::hung_up(self.channel.as_raw_fd()) {
            false => Ok(()),
            true => Err(launcher_died()),
        }
    }

    fn stop_watching(&self) -> Result<()> {
        let failed = |errno| failed("stop watching the launcher", errno);
        let watch = WATCH.withdraw();
        self.set_status(OFlag::empty()).map_err(failed)?;
        let (signal, ours) = (Signal::SIGIO as c_int, end_without_launcher as extern "C" fn(_, _, _) as sighandler_t);
        let now = sys::disposition(signal).map_err(failed)?.sa_sigaction;
        // What the program had before; unless it has set another handler in the meantime.
        let before = watch.filter(|_| now == ours).map(|watch| &watch.action_before);
        before.map_or(Ok(()), |before| sys::restore_action(signal, before).map_err(failed))
    }

    /// The status flags of the socket: F_SETFL of fcntl(2).
    fn set_status(&self, flags: OFlag) -> nix::Result<()> {
        retry(|| fcntl(&*self.channel, FcntlArg::F_SETFL(flags))).map(drop)
    }

    /// Makes the calls that come after READY, while its end is still the start's: the body may have forbidden one with
    /// seccomp(2), on pain of death.
    fn probe_calls_after_ready(&self) -> Result<()> {
        if !sys::has_seccomp_filter() {
            return Ok(());
        }
        let failed = |errno| failed("listen to the launcher", errno);
        let copy = retry(|| self.channel.try_clone().map_err(|error| errno_of(&error))).map_err(failed)?;
        sys::close(copy.into()).map_err(failed)?;
        self.set_status(OFlag::O_NONBLOCK).map_err(failed)?;
        match Message::receive(&self.channel) {
            Err(Errno::EAGAIN) => self.set_status(OFlag::empty()).map_err(failed),
            Err(errno) => Err(failed(errno)),
            Ok(_) => Err(self.no_answer()),
        }
    }

    /// Ends a daemon whose start the launcher has given up, and says itself why; or returns that it has died.
    fn no_answer(&self) -> Error {
        if !sys::hung_up(self.channel.as_raw_fd()) {
            std::process::exit(1);
        }
        launcher_died()
    }

    /// Checks that the channel still is at its number.
    pub(crate) fn check_channel(&self) -> Result<()> {
        if sys::file_id(self.channel.as_raw_fd()) == Ok(self.channel_id) {
            return Ok(());
        }
        let why = "main's body has closed the descriptor by which the launcher is told";
        Err(Error::new(Step::Ready, ErrorKind::Misuse, "say that it is ready", why)
            .advise("close only descriptors that the program has opened"))
    }

    /// Says that the daemon is ready, and waits for `Go`. After that nothing can fail.
    pub(crate) fn report_ready(self, wait_for_new_parent: bool) -> Result<()> {
        self.stop_watching()?;
        self.probe_calls_after_ready()?;
        Message::Ready.send(&self.channel).map_err(|errno| failed("say that it is ready", errno))?;
        loop {
            match Message::receive(&self.channel) {
                Ok(Some(Message::Go)) => break,
                Ok(_) => return Err(self.no_answer()),
                // The launcher decides how the start ends, and not a call that fails here.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
        // What is not closed now would be closed with the daemon.
        let _ = sys::close(ManuallyDrop::into_inner(self.channel).into());
        if wait_for_new_parent {
            self::wait_for_new_parent(self.launcher);
        }
        Ok(())
    }
}

/// Waits until the launcher has exited, which it does at once; but not for a launcher that somebody has stopped.
fn wait_for_new_parent(launcher: Pid) {
    let started = Instant::now();
    while getppid() == launcher && started.elapsed() < Duration::from_secs(1) {
        thread::sleep(Duration::from_micros(200));
    }
}

fn launcher_died() -> Error {
    let why = "the launcher has died";
    Error::new(Step::Launch, ErrorKind::Interrupted, "start the daemon", why).advise("start it again")
}
