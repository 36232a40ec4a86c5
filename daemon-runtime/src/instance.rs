//! Another process's view of a running daemon.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, thread};

use nix::errno::Errno;
use nix::fcntl::{FlockArg, OFlag};
use nix::libc::{self, c_int};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, geteuid};

use crate::error::{Error, ErrorKind, Result};
use crate::inherited::note_inherited;
use crate::procfs;
use crate::step::file::{self, FilePath};
use crate::step::lock_holder::{Held, LAUNCHER_PATIENCE, check_daemon, check_start, has_ended, start_time};
use crate::step::pid_file::{flock, is_marked_ready, read_pid};
use crate::sys::{self, FileStatus, retry};

/// How long a daemon may take until it is the user whom it has given its pid file, and a killed process until it is gone.
const PATIENCE: Duration = Duration::from_secs(5);
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
#[derive(PartialEq)]
enum Holder {
    Nobody,
    /// A process that has not written its pid yet.
    Starting,
    Daemon(Pid),
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
        Ok(self.find()?.map(|(pid, _)| pid.as_raw().unsigned_abs()))
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
        let Some(file) = self.open()? else { return Ok(false) };
        Ok(self.holder(&file, Duration::ZERO)? != Holder::Nobody && self.is_marked_ready(&file)?)
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
            let Some(file) = self.open()? else { return Err(self.not_running("there is no such file")) };
            if self.holder(&file, started.elapsed())? == Holder::Nobody {
                return Err(self.not_running("no process holds it"));
            }
            if self.is_marked_ready(&file)? {
                return Ok(());
            }
            if started.elapsed() >= timeout {
                let (what, why) = (format!("wait for {self}"), format!("it is not ready after {timeout:?}"));
                return Err(Error::new(None, ErrorKind::TimedOut, what, why).advise("wait longer, or look at its log"));
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

    fn running(&self) -> Result<Running<'_>> {
        match self.find()? {
            Some((pid, pidfd)) => Ok(Running { pid, pidfd, instance: self }),
            None if self.open()?.is_none() => Err(self.not_running("there is no such file")),
            None => Err(self.not_running("no process holds it")),
        }
    }

    fn not_running(&self, why: &str) -> Error {
        let what = format!("find a daemon by pid file {}", self.pid_file.display());
        Error::new(None, ErrorKind::NotRunning, what, why).advise("start it, or correct the path")
    }

    /// Finds the daemon's pid, and a descriptor that certainly is the same process's; without one where the kernel or a
    /// filter lacks the call.
    fn find(&self) -> Result<Option<(Pid, Option<OwnedFd>)>> {
        let started = Instant::now();
        loop {
            let Some(file) = self.open()? else { return Ok(None) };
            match self.holder(&file, started.elapsed())? {
                Holder::Nobody => return Ok(None),
                Holder::Starting => {}
                Holder::Daemon(pid) => {
                    let (process, checked) = (open_process(pid), self.check_process(&file, pid));
                    // Between the two looks it was the daemon's pid, and so it was when the descriptor was made.
                    if self.holder(&file, Duration::ZERO)? == Holder::Daemon(pid) {
                        match (checked, process) {
                            // A daemon gives away the file shortly before it becomes that user.
                            (Err(error), _)
                                if error.kind() == ErrorKind::NotPermitted && started.elapsed() < PATIENCE => {}
                            (Err(_), _) if started.elapsed() < LAUNCHER_PATIENCE => {}
                            (Err(error), _) => return Err(error),
                            (Ok(()), Err(Errno::ESRCH)) => {}
                            (Ok(()), Err(errno)) => return Err(self.failed("watch the process of", errno)),
                            (Ok(()), Ok(pidfd)) => return Ok(Some((pid, pidfd))),
                        }
                    }
                }
            }
            thread::sleep(INTERVAL);
        }
    }

    fn held(&self, Held { why, advice }: Held) -> Error {
        self.not_running(&why).advise(advice)
    }

    fn is_marked_ready(&self, file: &OwnedFd) -> Result<bool> {
        is_marked_ready(file).map_err(|errno| self.failed("look at the locks of", errno))
    }

    fn status(&self, file: &OwnedFd) -> Result<FileStatus> {
        sys::file_status(file.as_raw_fd()).map_err(|errno| self.failed("look at", errno))
    }

    /// Returns who holds the file; an error as soon as that certainly is no daemon, and no start of one.
    fn holder(&self, file: &OwnedFd, waited: Duration) -> Result<Holder> {
        // A shared lock, so that those who only look do not find each other. A start that meets it tries again.
        match retry(|| flock(file, FlockArg::LockSharedNonblock)) {
            Ok(()) => return Ok(Holder::Nobody),
            Err(Errno::EWOULDBLOCK) => {}
            Err(errno) => return Err(self.failed("look at the lock of", errno)),
        }
        match read_pid(file).map_err(|errno| self.failed("read", errno))? {
            Some(pid) => Ok(Holder::Daemon(pid)),
            None => check_start(file, self.status(file)?.owner, waited)
                .map_or(Ok(Holder::Starting), |held| Err(self.held(held))),
        }
    }

    /// Checks that the process is the daemon. Only after its pid was read: whose the file is now tells who can have written it.
    fn check_process(&self, file: &OwnedFd, pid: Pid) -> Result<()> {
        if !has_ended(pid) {
            self.check_owner(self.status(file)?.owner, pid)?;
        }
        check_daemon(file, pid).map_err(|held| self.held(held))
    }

    /// Checks that the file's owner may name this process. A file that belongs to a user can hold any pid; root must not be
    /// made to signal another user's process by it.
    fn check_owner(&self, owner: u32, pid: Pid) -> Result<()> {
        if owner == 0 || !geteuid().is_root() {
            return Ok(());
        }
        let status = procfs::read(format!("/proc/{pid}/status")).unwrap_or_default();
        // The effective user, who has created the file, also where a set-user-ID program is the daemon.
        let effective = status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().nth(1));
        if effective.and_then(|uid| uid.parse().ok()) == Some(owner) {
            return Ok(());
        }
        let why = format!("it belongs to user {owner}, and process {pid} does not");
        Err(Error::new(None, ErrorKind::NotPermitted, self.what("trust"), why)
            .advise("ask in the pid namespace, or container, of the daemon; or find out who has written it"))
    }

    fn open(&self) -> Result<Option<OwnedFd>> {
        let refused = |why: &str| {
            let error = Error::new(None, ErrorKind::File, self.what("open"), why);
            Err(error.advise("correct the path"))
        };
        let opened =
            FilePath::new(&self.pid_file, false, false).and_then(|path| path.open(OFlag::O_RDONLY, Mode::empty()));
        let file = match opened {
            Err(Errno::ENOENT) => return Ok(None),
            Err(errno @ (Errno::ELOOP | file::UNTRUSTED_LINK)) => return refused(file::describe(errno)),
            opened => opened.map_err(|errno| self.failed("open", errno))?,
        };
        match self.status(&file)? {
            FileStatus { kind, .. } if kind != libc::S_IFREG => refused("it is not a regular file"),
            FileStatus { names: 0 | 1, .. } => Ok(Some(file)),
            _ => refused(file::describe(file::SEVERAL_NAMES)),
        }
    }

    fn failed(&self, verb: &str, errno: Errno) -> Error {
        Error::system(None, self.what(verb), errno)
    }

    fn what(&self, verb: &str) -> String {
        format!("{verb} pid file {}", self.pid_file.display())
    }
}

/// pidfd_open(2); `None` where the kernel (before 5.3) or a filter lacks it.
fn open_process(pid: Pid) -> nix::Result<Option<OwnedFd>> {
    match sys::pidfd_open(pid) {
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(None),
        opened => opened.map(Some),
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
    pidfd: Option<OwnedFd>,
    instance: &'a Instance,
}

impl Running<'_> {
    fn send(&self, signal: c_int) -> Result<()> {
        self.signal(signal).map_err(|errno| match errno {
            Errno::ESRCH => self.instance.not_running("it has just ended"),
            errno => self.not_sent(signal, errno),
        })
    }

    /// Sends a signal; ESRCH if the daemon has ended.
    fn signal(&self, signal: c_int) -> nix::Result<()> {
        if let Some(pidfd) = &self.pidfd {
            match sys::pidfd_send_signal(pidfd.as_fd(), signal) {
                Err(Errno::ENOSYS) => {}
                Err(Errno::EPERM) if geteuid().is_root() => {}
                sent => return sent,
            }
        }
        if self.still_holds()? { sys::kill(self.pid, signal) } else { Err(Errno::ESRCH) }
    }

    /// Looks once more whether this process holds the pid file.
    fn still_holds(&self) -> nix::Result<bool> {
        let file = self.instance.open().map_err(|_| Errno::ESRCH)?;
        let holder =
            file.map(|file| self.instance.holder(&file, Duration::ZERO)).transpose().map_err(|_| Errno::ESRCH)?;
        Ok(holder == Some(Holder::Daemon(self.pid)))
    }

    fn not_sent(&self, signal: c_int, errno: Errno) -> Error {
        Error::system(None, format!("send signal {signal} to process {}", self.pid), errno)
    }

    fn end(&self, signal: c_int, timeout: Duration) -> Result<()> {
        // Before a look at the lock, after which the number may be another process's.
        let began = start_time(self.pid);
        match self.signal(signal) {
            // It has ended by itself since it was found.
            Err(Errno::ESRCH) => return Ok(()),
            sent => sent.map_err(|errno| self.not_sent(signal, errno))?,
        }
        // A stopped process does not see SIGTERM. If it has ended meanwhile there is nothing to continue.
        let _ = self.signal(libc::SIGCONT);
        let started = Instant::now();
        while !self.has_ended(began, timeout.saturating_sub(started.elapsed()))? {
            if started.elapsed() >= timeout {
                let (name, advice) = match signal {
                    libc::SIGKILL => ("SIGKILL", "see in ps(1) what it waits for: a device, or a frozen control group"),
                    _ => ("SIGTERM", "wait longer, or kill it"),
                };
                let (what, why) =
                    (format!("stop process {}", self.pid), format!("it still runs {timeout:?} after {name}"));
                return Err(Error::new(None, ErrorKind::TimedOut, what, why).advise(advice));
            }
        }
        Ok(())
    }

    /// Waits for the end of the process, for some time.
    fn has_ended(&self, began: Option<u64>, left: Duration) -> Result<bool> {
        let Some(pidfd) = &self.pidfd else {
            thread::sleep(INTERVAL.min(left));
            // The number may be another process's by now, which has begun later. Where /proc does not tell, the lock is free.
            let is_another = || match began {
                Some(_) => start_time(self.pid) != began,
                None => !self.still_holds().unwrap_or(false) && self.is_free(),
            };
            return Ok(has_ended(self.pid) || is_another());
        };
        let mut polled = [libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
        match sys::poll(&mut polled, left) {
            Ok(0) | Err(Errno::EINTR) => Ok(false),
            Ok(_) => Ok(true),
            Err(errno) => Err(self.instance.failed("wait for the process of", errno)),
        }
    }

    /// Whether nobody holds the pid file, or there is none: the daemon's descriptors are closed.
    fn is_free(&self) -> bool {
        let file = self.instance.open().ok().flatten();
        file.is_none_or(|file| self.instance.holder(&file, Duration::ZERO).is_ok_and(|holder| holder == Holder::Nobody))
    }
}
