//! Another process's view of a running daemon.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use nix::errno::Errno;
use nix::fcntl::{FlockArg, OFlag};
use nix::libc::{self, c_int};
use nix::unistd::{Pid, geteuid};

use crate::State;
use crate::error::{Error, ErrorKind, OrFail, Result};
use crate::report::seconds;
use crate::step::path::{self, For, Place};
use crate::step::pid_file::{LAUNCHER_PATIENCE, PATIENCE, Written, flock, read};
use crate::supervisor::note_inherited;
use crate::sys::{self, FileStatus};

/// How often a state is looked at that nothing tells of.
const INTERVAL: Duration = Duration::from_millis(2);

/// A daemon, seen from another process by its pid file.
///
/// The lock on the file tells whether the daemon runs. The pid alone does not: the system may have given it to another
/// process. So a signal is only ever sent to the daemon; for certain from Linux 5.3 on, by pidfd_open(2), and before that after a
/// second look at the lock.
///
/// The pid is one of the daemon's own pid namespace. Where a container and its host share a pid file, ask inside of the
/// container: outside, the same number is another process, and root gets an error.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
/// use daemon_runtime::Instance;
///
/// # fn main() -> Result<(), daemon_runtime::Error> {
/// let daemon = Instance::at("/run/app.pid");
/// match daemon.pid()? {
///     Some(pid) => println!("running as process {pid}"),
///     None => println!("not running"),
/// }
/// daemon.stop(Duration::from_secs(10))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    pid_file: PathBuf,
}

/// Who holds the lock of a pid file.
enum Holder {
    Nobody,
    /// A process that has not written its pid yet.
    Starting,
    Daemon(Written),
}

impl Holder {
    fn is(&self, pid: Pid) -> bool {
        matches!(self, Holder::Daemon(written) if written.pid == pid)
    }
}

impl Instance {
    /// Names the daemon with this pid file. Nothing is opened yet.
    ///
    /// At the beginning of `main` it notes what is inherited, as [`Daemon::new`](crate::Daemon::new) does.
    ///
    /// # Examples
    ///
    /// ```
    /// let daemon = daemon_runtime::Instance::at("/run/app.pid");
    /// assert_eq!(daemon.to_string(), "the daemon with pid file /run/app.pid");
    /// ```
    pub fn at(pid_file: impl AsRef<Path>) -> Self {
        note_inherited();
        Instance { pid_file: pid_file.as_ref().to_owned() }
    }

    /// Returns the pid of the daemon, or `None` if none runs: there is no pid file, or no process holds its lock.
    ///
    /// While a start is under way it waits for the pid, for 5 seconds at most.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is still locked after 5 seconds by a process that has not written its pid.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// if let Some(pid) = Instance::at("/run/app.pid").pid()? {
    ///     println!("running as process {pid}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn pid(&self) -> Result<Option<u32>> {
        Ok(self.find()?.map(|running| running.pid.as_raw().unsigned_abs()))
    }

    /// Returns whether the pid file of a daemon is left that does not run any more: it was killed and could not clean up.
    ///
    /// Such a file never prevents a start. An empty file is not stale: a daemon that may not remove its file empties it.
    ///
    /// # Errors
    ///
    /// As for [`pid`](Self::pid).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// // The exit codes of "status" in an LSB init script.
    /// let daemon = Instance::at("/run/app.pid");
    /// let code = if daemon.pid()?.is_some() { 0 } else if daemon.is_stale()? { 1 } else { 3 };
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_stale(&self) -> Result<bool> {
        if self.find()?.is_some() {
            return Ok(false);
        }
        let Some(file) = self.open()? else { return Ok(false) };
        Ok(!self.status(&file)?.is_empty)
    }

    /// Returns whether a daemon runs, and whether it is ready, without waiting.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use daemon_runtime::{Instance, State};
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// match Instance::at("/run/app.pid").state()? {
    ///     State::Stopped => println!("stopped"),
    ///     State::Starting => println!("starting"),
    ///     _ => println!("ready"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn state(&self) -> Result<State> {
        let Some(file) = self.open()? else { return Ok(State::Stopped) };
        Ok(match self.holder(&file)? {
            Holder::Nobody => State::Stopped,
            Holder::Daemon(Written { is_ready: true, .. }) => State::Ready,
            Holder::Starting | Holder::Daemon(_) => State::Starting,
        })
    }

    /// Returns whether the daemon runs and is ready: its [`Ready::notify`](crate::Ready::notify) was called.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// if !Instance::at("/run/app.pid").is_ready()? {
    ///     eprintln!("the server does not run, or is still starting");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_ready(&self) -> Result<bool> {
        Ok(self.state()? == State::Ready)
    }

    /// Waits until the daemon is ready. For a client that has lost the race to start its server.
    ///
    /// Nobody wakes it up: it looks at the pid file every 2 milliseconds, and less often when that takes long.
    ///
    /// # Errors
    ///
    /// No daemon runs, or it has ended before it was ready ([`NotRunning`](ErrorKind::NotRunning)); it is not ready after
    /// `timeout` ([`TimedOut`](ErrorKind::TimedOut)); or the file cannot be read.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// Instance::at("/run/app.pid").wait_until_ready(Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_until_ready(&self, timeout: Duration) -> Result<()> {
        let (started, mut interval) = (Instant::now(), INTERVAL);
        loop {
            match self.state()? {
                State::Stopped => return Err(self.is_stopped()),
                State::Ready => return Ok(()),
                State::Starting if started.elapsed() >= timeout => {
                    let (what, why) =
                        (format!("wait for {self}"), format!("it is not ready after {}", seconds(timeout)));
                    return Err(
                        Error::new(None, ErrorKind::TimedOut, what, why).advise("wait longer, or look at its log")
                    );
                }
                State::Starting => {}
            }
            thread::sleep(interval.min(timeout.saturating_sub(started.elapsed())));
            interval = (interval * 2).min(Duration::from_millis(50));
        }
    }

    /// Sends a signal to the daemon, by its number of signal(7).
    ///
    /// # Errors
    ///
    /// No daemon runs ([`NotRunning`](ErrorKind::NotRunning)), this user may not signal it
    /// ([`NotPermitted`](ErrorKind::NotPermitted)), or there is no such signal ([`System`](ErrorKind::System)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// const SIGUSR1: i32 = 10;
    /// Instance::at("/run/app.pid").signal(SIGUSR1)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn signal(&self, signal: i32) -> Result<()> {
        self.running()?.send(signal)
    }

    /// Asks the daemon to reload: sends `SIGHUP`.
    ///
    /// The signal ends a daemon that does not handle it. With [`reopen_on_sighup`](crate::Daemon::reopen_on_sighup) it is
    /// handled as soon as the daemon is ready.
    ///
    /// # Errors
    ///
    /// As for [`signal`](Self::signal).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// Instance::at("/run/app.pid").reload()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload(&self) -> Result<()> {
        self.running()?.send(libc::SIGHUP)
    }

    /// Asks the daemon to end, with `SIGTERM`, and waits until the process has ended. `SIGCONT` follows, for a daemon that is
    /// stopped.
    ///
    /// Its memory, ports and files are free when this returns. That the pid file is gone does not tell that: where nobody
    /// handles `SIGTERM`, the file goes first.
    ///
    /// # Errors
    ///
    /// As for [`signal`](Self::signal); or the daemon still runs after `timeout` ([`TimedOut`](ErrorKind::TimedOut)).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// Instance::at("/run/app.pid").stop(Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop(&self, timeout: Duration) -> Result<()> {
        self.running()?.end(libc::SIGTERM, timeout)
    }

    /// Does what [`stop`](Self::stop) does, and kills a daemon that still runs after `timeout`, with `SIGKILL`.
    ///
    /// # Errors
    ///
    /// As for [`signal`](Self::signal); or the killed process is still there after 5 seconds
    /// ([`TimedOut`](ErrorKind::TimedOut)), because the kernel waits for a device.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// Instance::at("/run/app.pid").stop_or_kill(Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop_or_kill(&self, timeout: Duration) -> Result<()> {
        let running = self.running()?;
        match running.end(libc::SIGTERM, timeout) {
            Err(error) if error.kind() == ErrorKind::TimedOut => running.end(libc::SIGKILL, PATIENCE),
            ended => ended,
        }
    }

    /// Waits until the daemon that runs now has ended; returns at once where none runs. Another one may run already when it
    /// returns.
    ///
    /// For a client that has met a server on its way out, which holds the pid file, and answers no more.
    ///
    /// # Errors
    ///
    /// The daemon still runs after `timeout` ([`TimedOut`](ErrorKind::TimedOut)); or as for [`pid`](Self::pid).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # use daemon_runtime::Instance;
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// Instance::at("/run/app.pid").wait_until_stopped(Duration::from_secs(10))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_until_stopped(&self, timeout: Duration) -> Result<()> {
        let Some(running) = self.find()? else { return Ok(()) };
        running.wait(timeout, &|| {
            let (what, why) =
                (format!("wait for the end of {self}"), format!("it still runs after {}", seconds(timeout)));
            Error::new(None, ErrorKind::TimedOut, what, why).advise("wait longer, or stop it")
        })
    }

    fn running(&self) -> Result<Running<'_>> {
        self.find()?.ok_or_else(|| self.is_stopped())
    }

    fn is_stopped(&self) -> Error {
        match self.open() {
            Ok(None) => self.not_running("there is no such file"),
            _ => self.not_running("no process holds it"),
        }
    }

    fn not_running(&self, why: &str) -> Error {
        let what = format!("find a daemon by pid file {}", self.pid_file.display());
        Error::new(None, ErrorKind::NotRunning, what, why).advise("start it, or correct the path")
    }

    /// Finds the daemon, if one runs.
    fn find(&self) -> Result<Option<Running<'_>>> {
        let started = Instant::now();
        loop {
            let Some(file) = self.open()? else { return Ok(None) };
            let (patience, error) = match self.holder(&file)? {
                Holder::Nobody => return Ok(None),
                Holder::Starting => (PATIENCE, self.held("a process holds it that has not written its pid")),
                // Its launcher has still to clear away.
                Holder::Daemon(Written { pid, .. }) if !sys::lives(pid) => {
                    (LAUNCHER_PATIENCE, self.held(&format!("a process holds it that {pid} has left")))
                }
                Holder::Daemon(Written { pid, .. }) => {
                    let (process, began) = (sys::open_process(pid), began(pid));
                    let checked = self.check_owner(&file, pid);
                    // Between the two looks it was the daemon's pid, and so it was when the descriptor was made.
                    match (checked, process) {
                        _ if !self.holder(&file)?.is(pid) => continue,
                        // A daemon gives away the file shortly before it becomes that user.
                        (Err(error), _) => (PATIENCE, error),
                        // In a file of another pid namespace it is the number of another process, or of a thread.
                        (Ok(()), _) if sys::has_lock(pid, self.status(&file)?.id) == Some(false) => {
                            (LAUNCHER_PATIENCE, self.held(&format!("a process holds it that {pid} has left")))
                        }
                        (Ok(()), Err(Errno::ESRCH)) => continue,
                        (Ok(()), process) => {
                            let process = process.or_fail(None, self.what("watch the process of"))?;
                            return Ok(Some(Running { pid, process, began, instance: self }));
                        }
                    }
                }
            };
            if started.elapsed() >= patience {
                return Err(error);
            }
            thread::sleep(INTERVAL);
        }
    }

    fn held(&self, why: &str) -> Error {
        self.not_running(why).advise("find out by lslocks(8) which process has it")
    }

    fn status(&self, file: &OwnedFd) -> Result<FileStatus> {
        sys::file_status(file.as_raw_fd()).or_fail(None, self.what("look at"))
    }

    fn holder(&self, file: &OwnedFd) -> Result<Holder> {
        // A shared lock, so that those who only look do not find each other. A start that meets it tries again.
        if flock(file, FlockArg::LockSharedNonblock).or_fail(None, self.what("look at the lock of"))? {
            return Ok(Holder::Nobody);
        }
        Ok(read(file).or_fail(None, self.what("read"))?.map_or(Holder::Starting, Holder::Daemon))
    }

    /// Checks that the file's owner may name this process. A file that belongs to a user can hold any pid; root must not be
    /// made to signal another user's process by it.
    fn check_owner(&self, file: &OwnedFd, pid: Pid) -> Result<()> {
        let owner = self.status(file)?.owner;
        // The effective user has created the file, also where a set-user-ID program is the daemon.
        if owner == 0 || !geteuid().is_root() || sys::look_at_process(pid).is_some_and(|it| it.owner == owner) {
            return Ok(());
        }
        let why = format!("it belongs to user {owner}, and process {pid} does not");
        Err(Error::new(None, ErrorKind::NotPermitted, self.what("trust"), why)
            .advise("ask in the pid namespace, or container, of the daemon; or find out who has written it"))
    }

    fn open(&self) -> Result<Option<OwnedFd>> {
        let refused =
            |why: &str| Err(Error::new(None, ErrorKind::File, self.what("open"), why).advise("correct the path"));
        let opened = Place::of_file(&self.pid_file, For::Oneself).and_then(|place| place.open(OFlag::O_RDONLY));
        let file = match opened {
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno @ (Errno::ELOOP | path::UNTRUSTED_LINK)) => return refused(path::describe(errno)),
            opened => opened.or_fail(None, self.what("open"))?,
        };
        match self.status(&file)? {
            FileStatus { kind, .. } if kind != libc::S_IFREG => refused("it is not a regular file"),
            FileStatus { names: 0 | 1, .. } => Ok(Some(file)),
            _ => refused(path::describe(path::SEVERAL_NAMES)),
        }
    }

    fn what(&self, verb: &str) -> String {
        format!("{verb} pid file {}", self.pid_file.display())
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the daemon with pid file {}", self.pid_file.display())
    }
}

/// A daemon that was running a moment ago.
struct Running<'a> {
    pid: Pid,
    /// Nobody else can be reached through it. Without it, the lock is looked at once more before a signal is sent.
    process: Option<OwnedFd>,
    /// When it has begun, where that is to be seen.
    began: Option<u64>,
    instance: &'a Instance,
}

impl Running<'_> {
    fn send(&self, signal: c_int) -> Result<()> {
        match self.signal(signal) {
            Err(Errno::ESRCH) => Err(self.instance.not_running("it has just ended")),
            sent => sent.or_fail(None, format_args!("send signal {signal} to process {}", self.pid)),
        }
    }

    /// Sends a signal; ESRCH if the daemon has ended.
    fn signal(&self, signal: c_int) -> nix::Result<()> {
        if let Some(process) = &self.process {
            match sys::signal_process(process.as_fd(), signal) {
                // A filter lacks this call alone.
                Err(Errno::ENOSYS) => {}
                Err(Errno::EPERM) if geteuid().is_root() => {}
                sent => return sent,
            }
        }
        if self.still_holds() { sys::kill(self.pid, signal) } else { Err(Errno::ESRCH) }
    }

    /// Looks once more whether this process holds the pid file.
    fn still_holds(&self) -> bool {
        let file = self.instance.open().ok().flatten();
        file.is_some_and(|file| self.instance.holder(&file).is_ok_and(|holder| holder.is(self.pid)))
    }

    fn end(&self, signal: c_int, timeout: Duration) -> Result<()> {
        match self.signal(signal) {
            // It has ended by itself since it was found.
            Err(Errno::ESRCH) => return Ok(()),
            sent => sent.or_fail(None, format_args!("send signal {signal} to process {}", self.pid))?,
        }
        // A stopped process does not see SIGTERM. If it has ended meanwhile there is nothing to continue.
        let _ = self.signal(libc::SIGCONT);
        let (name, advice) = match signal {
            libc::SIGKILL => ("SIGKILL", "see in ps(1) what it waits for: a device, or a frozen control group"),
            _ => ("SIGTERM", "wait longer, or kill it"),
        };
        let error =
            |why| Error::new(None, ErrorKind::TimedOut, format_args!("stop process {}", self.pid), why).advise(advice);
        self.wait(timeout, &|| error(format!("it still runs {} after {name}", seconds(timeout))))
    }

    /// Waits for the end of the process, for as long as `timeout`.
    fn wait(&self, timeout: Duration, timed_out: &dyn Fn() -> Error) -> Result<()> {
        let started = Instant::now();
        while !self.has_ended(timeout.saturating_sub(started.elapsed()))? {
            if started.elapsed() >= timeout {
                return Err(timed_out());
            }
        }
        Ok(())
    }

    /// Waits for the end of the process, for some time.
    fn has_ended(&self, left: Duration) -> Result<bool> {
        let Some(process) = &self.process else {
            thread::sleep(INTERVAL.min(left));
            // The number may be another process's by now, which has begun later. Where that is not to be seen, the lock tells.
            let is_another = began(self.pid) != self.began;
            return Ok(!sys::lives(self.pid) || is_another || self.began.is_none() && !self.still_holds());
        };
        let mut polled = [libc::pollfd { fd: process.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        match sys::poll(&mut polled, left) {
            Ok(0) | Err(Errno::EINTR) => Ok(false),
            polled => polled.map(|_| true).or_fail(None, self.instance.what("wait for the process of")),
        }
    }
}

/// Returns when a process has begun, where that is to be seen.
fn began(pid: Pid) -> Option<u64> {
    sys::look_at_process(pid).map(|process| process.start)
}
