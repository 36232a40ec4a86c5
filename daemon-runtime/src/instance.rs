//! Another process's view of a running daemon.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, fs};

use nix::errno::Errno;
use nix::fcntl::{FlockArg, open};
use nix::libc::{self, c_int};
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::{FileStat, Mode, fstat};
use nix::unistd::{Pid, geteuid};

use crate::error::{Error, ErrorKind, Result};
use crate::step::file::is_regular;
use crate::step::pid_file::{self, flock, read_pid};
use crate::sys::{self, retry};

/// A daemon, seen from another process by its pid file.
///
/// The lock on the file tells whether the daemon runs. The pid alone does not: the system may have given it to another
/// process. So a signal is only ever sent to the daemon.
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
    /// # Examples
    ///
    /// ```
    /// let daemon = daemon_runtime::Instance::at("/run/app.pid");
    /// assert_eq!(daemon.to_string(), "the daemon with pid file /run/app.pid");
    /// ```
    pub fn at(pid_file: impl AsRef<Path>) -> Self {
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
        let stat = retry(|| fstat(&file)).map_err(|errno| self.failed("look at", errno))?;
        Ok(stat.st_size > 0)
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

    /// Asks the daemon to end, with `SIGTERM`, and waits until the process has ended.
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
        self.running()?.end(Signal::SIGTERM, timeout)
    }

    /// Does what [`stop`](Self::stop) does, and kills a daemon that still runs after `timeout`, with `SIGKILL`.
    ///
    /// # Errors
    ///
    /// As for [`signal`](Self::signal).
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
        match running.end(Signal::SIGTERM, timeout) {
            Err(error) if error.kind() == ErrorKind::TimedOut => running.end(Signal::SIGKILL, Duration::MAX),
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

    /// The daemon's pid, and a descriptor that certainly is the same process's.
    fn find(&self) -> Result<Option<(Pid, OwnedFd)>> {
        const PATIENCE: Duration = Duration::from_secs(5);
        let failed = |errno| self.failed("watch the process of", errno);
        let started = Instant::now();
        loop {
            let Some(file) = self.open()? else { return Ok(None) };
            let pid = match self.holder(&file)? {
                Holder::Nobody => return Ok(None),
                Holder::Starting => None,
                Holder::Daemon(pid) => Some((pid, sys::pidfd_open(pid))),
            };
            match pid {
                // Between the two looks it was the daemon's pid, and so it was when the descriptor was made.
                Some((pid, Ok(pidfd))) if self.holder(&file)? == Holder::Daemon(pid) => {
                    match self.check_process(&file, pid) {
                        // A daemon gives away the file shortly before it becomes that user.
                        Err(_) if started.elapsed() < PATIENCE => {}
                        checked => return checked.map(|()| Some((pid, pidfd))),
                    }
                }
                Some((_, Err(errno))) if errno != Errno::ESRCH => return Err(failed(errno)),
                // It has ended in between, or has not written its pid yet.
                _ if started.elapsed() < PATIENCE => {}
                _ => {
                    let error = self.not_running("it is locked, but holds no pid of a process");
                    return Err(error.advise("find out who has locked it, lslocks(8)"));
                }
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn holder(&self, file: &OwnedFd) -> Result<Holder> {
        // A shared lock, so that those who only look do not find each other. A start that meets it tries again.
        match retry(|| flock(file, FlockArg::LockSharedNonblock)) {
            Ok(()) => Ok(Holder::Nobody),
            Err(Errno::EWOULDBLOCK) => {
                let pid = read_pid(file).map_err(|errno| self.failed("read", errno))?;
                Ok(pid.map_or(Holder::Starting, Holder::Daemon))
            }
            Err(errno) => Err(self.failed("look at the lock of", errno)),
        }
    }

    /// Checks that the process can be the daemon.
    fn check_process(&self, file: &OwnedFd, pid: Pid) -> Result<()> {
        // Only after the pid was read: whose the file is now tells who can have written it.
        let stat = retry(|| fstat(file)).map_err(|errno| self.failed("look at", errno))?;
        self.check_owner(stat.st_uid, pid)?;
        if !may_hold(pid, &stat) {
            let error = self.not_running(&format!("process {pid} does not hold it"));
            return Err(error.advise("ask in the pid namespace, or container, of the daemon"));
        }
        Ok(())
    }

    /// Checks that the file's owner may name this process. A file that belongs to a user can hold any pid; root must not be made to signal another user's process by it.
    fn check_owner(&self, owner: u32, pid: Pid) -> Result<()> {
        if owner == 0 || !geteuid().is_root() {
            return Ok(());
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let uid =
            status.lines().find_map(|line| line.strip_prefix("Uid:")?.split_ascii_whitespace().next()?.parse().ok());
        if uid == Some(owner) {
            return Ok(());
        }
        let why = format!("it belongs to user {owner}, and process {pid} does not");
        Err(Error::new(None, ErrorKind::NotPermitted, self.what("trust"), why).advise("find out who has written it"))
    }

    fn open(&self) -> Result<Option<OwnedFd>> {
        let refused = |why: &str| {
            let error = Error::new(None, ErrorKind::File, self.what("open"), why);
            Err(error.advise("correct the path"))
        };
        let file = match retry(|| open(&self.pid_file, pid_file::READ_FLAGS, Mode::empty())) {
            Err(Errno::ENOENT) => return Ok(None),
            Err(Errno::ELOOP) => return refused("it is a symbolic link"),
            opened => opened.map_err(|errno| self.failed("open", errno))?,
        };
        let stat = retry(|| fstat(&file)).map_err(|errno| self.failed("look at", errno))?;
        match (is_regular(&stat), stat.st_nlink) {
            (false, _) => refused("it is not a regular file"),
            (true, 0 | 1) => Ok(Some(file)),
            (true, _) => refused("it has several names"),
        }
    }

    fn failed(&self, verb: &str, errno: Errno) -> Error {
        Error::system(None, self.what(verb), errno)
    }

    fn what(&self, verb: &str) -> String {
        format!("{verb} pid file {}", self.pid_file.display())
    }
}

/// Whether a process has the file open and marked, as far as it can be seen: proc_pid_fdinfo(5). It certainly has not if
/// the pid is one of another pid namespace.
fn may_hold(pid: Pid, file: &FileStat) -> bool {
    let listed = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let mut seen = listed.filter_map(|it| Some((it.file_name(), fs::read_to_string(it.path()).ok()?))).peekable();
    let is_it = |name: OsString| {
        let open = fs::metadata(Path::new("/proc").join(pid.to_string()).join("fd").join(name));
        open.is_ok_and(|open| (open.dev(), open.ino()) == (file.st_dev, file.st_ino))
    };
    // Only what is locked is looked at closely: a file on a server that is gone would not answer.
    seen.peek().is_none() || seen.any(|(name, info)| info.contains("OFDLCK") && is_it(name))
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the daemon with pid file {}", self.pid_file.display())
    }
}

/// A daemon that was running a moment ago; nobody else can be reached through its pidfd.
struct Running<'a> {
    pid: Pid,
    pidfd: OwnedFd,
    instance: &'a Instance,
}

impl Running<'_> {
    fn send(&self, signal: c_int) -> Result<()> {
        sys::pidfd_send_signal(self.pidfd.as_fd(), signal).map_err(|errno| match errno {
            Errno::ESRCH => self.instance.not_running("it has just ended"),
            errno => self.not_sent(signal, errno),
        })
    }

    fn not_sent(&self, signal: c_int, errno: Errno) -> Error {
        Error::system(None, format!("send signal {signal} to process {}", self.pid), errno)
    }

    fn end(&self, signal: Signal, timeout: Duration) -> Result<()> {
        match sys::pidfd_send_signal(self.pidfd.as_fd(), signal as c_int) {
            // It has ended by itself since it was found.
            Err(Errno::ESRCH) => return Ok(()),
            sent => sent.map_err(|errno| self.not_sent(signal as c_int, errno))?,
        }
        let started = Instant::now();
        loop {
            let left = timeout.saturating_sub(started.elapsed());
            let mut polled = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            match poll(&mut polled, sys::poll_timeout(left)) {
                Ok(0) if left.is_zero() => break,
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(self.instance.failed("wait for the process of", errno)),
            }
        }
        let (what, why) = (format!("stop process {}", self.pid), format!("it still runs {timeout:?} after {signal}"));
        Err(Error::new(None, ErrorKind::TimedOut, what, why).advise("wait longer, or kill it"))
    }
}
