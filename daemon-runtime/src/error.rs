//! What went wrong: the step, its object, the reason, and what to do.

use std::fmt;
use std::io;

use nix::errno::Errno;

use crate::report::{escape_control, report};

/// The step of a start that failed; see [`Error::step`].
///
/// ```
/// use daemon_runtime::{Daemon, Step};
///
/// let error = Daemon::new().chdir("not/absolute").start().unwrap_err();
/// assert_eq!(error.step(), Some(Step::Options));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// Checking the options: a value is out of its range, or contradicts another one.
    Options,
    /// Checking that the process has one thread.
    Threads,
    /// Looking up `user` and `group`.
    Accounts,
    /// Opening or switching stdin, stdout or stderr.
    Streams,
    /// Locking, creating or writing the pid file.
    PidFile,
    /// Finding and closing inherited descriptors.
    Descriptors,
    /// The two forks, `setsid`, and what the three processes tell each other.
    Launch,
    /// Changing root and working directory.
    Directory,
    /// Setting signal dispositions and the signal mask.
    Signals,
    /// Changing the user, the groups, capabilities and limits.
    Privileges,
    /// Becoming ready: the daemon was too slow, or ended before.
    Ready,
}

/// The kind of an [`Error`]: what a program can act upon.
///
/// ```
/// use daemon_runtime::{Daemon, ErrorKind};
///
/// let error = Daemon::new().chdir("not/absolute").start().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidOption);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The value of an option breaks its rule. Exit code 64, `EX_USAGE`.
    InvalidOption,
    /// There is no such user or group. Exit code 67, `EX_NOUSER`.
    NoSuchAccount,
    /// Another process holds the pid file. Exit code 69, `EX_UNAVAILABLE`.
    AlreadyRunning,
    /// An [`Instance`](crate::Instance) has no running daemon. Exit code 69, `EX_UNAVAILABLE`.
    NotRunning,
    /// The program does what it must not do, such as a start in a process with threads. Exit code 70, `EX_SOFTWARE`.
    Misuse,
    /// A system call failed. Exit code 71, `EX_OSERR`.
    System,
    /// A file cannot be opened, created or written. Exit code 73, `EX_CANTCREAT`.
    File,
    /// It took longer than the time limit. Exit code 75, `EX_TEMPFAIL`.
    TimedOut,
    /// It is not permitted to this user. Exit code 77, `EX_NOPERM`.
    NotPermitted,
}

impl ErrorKind {
    /// The exit code of sysexits(3).
    fn exit_code(self) -> u8 {
        match self {
            ErrorKind::InvalidOption => 64,
            ErrorKind::NoSuchAccount => 67,
            ErrorKind::AlreadyRunning | ErrorKind::NotRunning => 69,
            ErrorKind::Misuse => 70,
            ErrorKind::System => 71,
            ErrorKind::File => 73,
            ErrorKind::TimedOut => 75,
            ErrorKind::NotPermitted => 77,
        }
    }
}

/// Why a daemon could not be started or controlled.
///
/// `Display` writes one line without the program's name: what could not be done, on what, why, and what to do. `Debug`
/// writes the same line, so that `fn main() -> Result<(), Error>` prints it.
///
/// ```
/// let error = daemon_runtime::Daemon::new().umask(0o1777).start().unwrap_err();
/// assert_eq!(error.to_string(), "cannot use umask = 0o1777: `umask` must be at most 0o777; correct the option");
/// assert_eq!(error.exit_code(), 64);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    step: Option<Step>,
    kind: ErrorKind,
    what: String,
    why: String,
    advice: &'static str,
    errno: Option<Errno>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a reason of our own. `what` reads on from "cannot ".
    pub(crate) fn new(
        step: impl Into<Option<Step>>,
        kind: ErrorKind,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        let (what, why) = (escape_control(&what.into()), escape_control(&why.into()));
        Error(Box::new(Inner { step: step.into(), kind, what, why, advice: "", errno: None }))
    }

    /// A failed system call. `what` reads on from "cannot ".
    pub(crate) fn system(step: impl Into<Option<Step>>, what: impl Into<String>, errno: Errno) -> Self {
        let step = step.into();
        let kind = match (step, errno) {
            (Some(Step::Streams | Step::PidFile), _) => ErrorKind::File,
            (_, Errno::EPERM | Errno::EACCES) => ErrorKind::NotPermitted,
            _ => ErrorKind::System,
        };
        // strerror(3), without the number that Rust adds.
        let why = io::Error::from(errno).to_string();
        let mut error = Error::new(step, kind, what, why.split(" (os error").next().unwrap_or(&why));
        error.0.errno = Some(errno);
        error.advise(match errno {
            Errno::EPERM | Errno::EACCES => "give the user the right, or start as one who has it",
            // A directory most likely: /run is empty after each boot.
            Errno::ENOENT => "correct the path, or create what is missing",
            Errno::ENOTDIR | Errno::EISDIR | Errno::ELOOP | Errno::ENXIO | Errno::ENAMETOOLONG => "correct the path",
            Errno::EROFS => "choose a path on a file system that can be written to",
            Errno::ENOSPC | Errno::EDQUOT => "make room on the file system",
            Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE => "raise the limit, or try again later",
            Errno::ENOSYS => "use Linux 5.9 or newer",
            _ => "see the manual page of the call",
        })
    }

    /// The same with another "what to do".
    pub(crate) fn advise(mut self, advice: &'static str) -> Self {
        self.0.advice = advice;
        self
    }

    /// Returns the step of the start that failed; `None` for an error of [`Instance`](crate::Instance).
    ///
    /// ```
    /// use daemon_runtime::{Daemon, Step};
    ///
    /// let error = Daemon::new().pid_file("").start().unwrap_err();
    /// assert_eq!(error.step(), Some(Step::Options));
    /// ```
    pub fn step(&self) -> Option<Step> {
        self.0.step
    }

    /// Returns the kind of the error.
    ///
    /// ```
    /// use daemon_runtime::{ErrorKind, Instance};
    ///
    /// let error = Instance::at("/run/nobody-has-this.pid").reload().unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotRunning);
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Returns the code that a program which gives up over this error should exit with: sysexits(3), see [`ErrorKind`].
    ///
    /// ```
    /// let error = daemon_runtime::Daemon::new().start_timeout(0).start().unwrap_err();
    /// assert_eq!(error.exit_code(), 64);
    /// ```
    pub fn exit_code(&self) -> u8 {
        self.0.kind.exit_code()
    }

    /// Returns the errno(3) of the system call that failed, if it was one.
    ///
    /// The text of the error says the same in words, so [`source`](std::error::Error::source) is `None`.
    ///
    /// ```
    /// let error = daemon_runtime::Daemon::new().stdout("/missing/app.log").foreground(false).start().unwrap_err();
    /// assert_eq!(error.raw_os_error(), Some(2)); // ENOENT
    /// ```
    pub fn raw_os_error(&self) -> Option<i32> {
        self.0.errno.map(|errno| errno as i32)
    }

    /// Ends the program as the attribute does: prints the error on standard error, with the program's name before it,
    /// and exits with [`exit_code`](Self::exit_code).
    ///
    /// ```no_run
    /// let ready = daemon_runtime::Daemon::new().start().unwrap_or_else(|error| error.exit());
    /// ready.notify();
    /// ```
    pub fn exit(&self) -> ! {
        report(&self.to_string());
        std::process::exit(self.exit_code().into())
    }

    /// Prints the error and ends a process that must not run the program's own exit handlers.
    pub(crate) fn exit_now(&self) -> ! {
        report(&self.to_string());
        crate::sys::exit_now(self.exit_code().into())
    }
}

/// The errno(3) in an error of std. Where there is none, std reports that a write came to nothing.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EPIPE, Errno::from_raw)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { what, why, advice, .. } = &*self.0;
        write!(f, "cannot {what}: {why}")?;
        if !advice.is_empty() {
            write!(f, "; {advice}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}
