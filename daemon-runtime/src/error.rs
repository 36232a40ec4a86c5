//! What went wrong: the step, its object, the reason, and what to do.

use std::borrow::Cow;
use std::{fmt, io};

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
    /// The daemon ended before it was ready, of [`Daemon::spawn`](crate::Daemon::spawn). The exit code is the daemon's, or
    /// 128 + the number of the signal that killed it; 71 where it cannot be seen.
    StartFailed,
    /// A signal interrupted the start, of [`Daemon::spawn`](crate::Daemon::spawn): exit code 128 + its number. Or the launcher,
    /// or the process that waits for it, has died: exit code 130.
    Interrupted,
    /// This system cannot do it. Exit code 69, `EX_UNAVAILABLE`.
    Unsupported,
}

impl ErrorKind {
    /// The exit code of sysexits(3).
    fn exit_code(self) -> u8 {
        match self {
            ErrorKind::InvalidOption => 64,
            ErrorKind::NoSuchAccount => 67,
            ErrorKind::AlreadyRunning | ErrorKind::NotRunning | ErrorKind::Unsupported => 69,
            ErrorKind::Misuse => 70,
            ErrorKind::System | ErrorKind::StartFailed => 71,
            ErrorKind::File => 73,
            ErrorKind::TimedOut => 75,
            ErrorKind::NotPermitted => 77,
            ErrorKind::Interrupted => 130,
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
pub struct Error(pub(crate) Box<Inner>);

pub(crate) struct Inner {
    pub(crate) step: Option<Step>,
    pub(crate) kind: ErrorKind,
    pub(crate) what: String,
    pub(crate) why: String,
    pub(crate) advice: Cow<'static, str>,
    pub(crate) exit_code: u8,
    pub(crate) errno: Option<i32>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error with a reason of our own. `what` reads on from "cannot ".
    #[cold]
    #[inline(never)]
    pub(crate) fn new(
        step: impl Into<Option<Step>>,
        kind: ErrorKind,
        what: impl fmt::Display,
        why: impl fmt::Display,
    ) -> Self {
        Self::of_texts(step.into(), kind, &what, &why)
    }

    /// The one copy of this code; each use of `new` would be another one.
    fn of_texts(step: Option<Step>, kind: ErrorKind, what: &dyn fmt::Display, why: &dyn fmt::Display) -> Self {
        let (what, why) = (escape_control(&what.to_string()), escape_control(&why.to_string()));
        Error(Box::new(Inner { step, kind, what, why, advice: "".into(), exit_code: kind.exit_code(), errno: None }))
    }

    /// Makes the error of a system call that failed. `what` reads on from "cannot ".
    #[cold]
    #[inline(never)]
    pub(crate) fn system(step: impl Into<Option<Step>>, what: impl fmt::Display, error: impl Into<io::Error>) -> Self {
        Self::of_call(step.into(), &what, &error.into())
    }

    fn of_call(step: Option<Step>, what: &dyn fmt::Display, error: &io::Error) -> Self {
        let kind = match (step, error.kind()) {
            (Some(Step::Streams | Step::PidFile), _) => ErrorKind::File,
            (_, io::ErrorKind::PermissionDenied) => ErrorKind::NotPermitted,
            _ => ErrorKind::System,
        };
        // strerror(3), without the number that Rust adds.
        let why = error.to_string();
        let why = why.split(" (os error").next().unwrap_or(&why);
        let mut made = Self::of_texts(step, kind, what, &why);
        made.0.errno = error.raw_os_error();
        made.advise(crate::platform::advice_for(error, kind))
    }

    /// The same with another reason than the system's, and another "what to do".
    pub(crate) fn explain(mut self, why: &str, advice: &'static str) -> Self {
        self.0.why = why.into();
        self.advise(advice)
    }

    /// The same with another "what to do".
    pub(crate) fn advise(mut self, advice: &'static str) -> Self {
        self.0.advice = advice.into();
        self
    }

    /// The same with the exit code of another process.
    #[cfg(all(unix, not(daemon_elsewhere)))]
    pub(crate) fn with_exit_code(mut self, code: i32) -> Self {
        // An exit code has 8 bits, wait(2).
        self.0.exit_code = code as u8;
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
        self.0.exit_code
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
        self.0.errno
    }

    /// Ends the program as the attribute does: prints the error on standard error, with the program's name before it,
    /// and exits with [`exit_code`](Self::exit_code).
    ///
    /// ```no_run
    /// let ready = daemon_runtime::Daemon::new().start().unwrap_or_else(|error| error.exit());
    /// ready.notify();
    /// ```
    pub fn exit(&self) -> ! {
        report(self);
        std::process::exit(self.exit_code().into())
    }
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

/// What makes an [`Error`] of a failed call.
pub(crate) trait OrFail<T> {
    /// Says which step failed, and at what: `what` reads on from "cannot ", and is formatted only if it is needed.
    fn or_fail(self, step: impl Into<Option<Step>>, what: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<io::Error>> OrFail<T> for std::result::Result<T, E> {
    fn or_fail(self, step: impl Into<Option<Step>>, what: impl fmt::Display) -> Result<T> {
        self.map_err(|error| Error::system(step, what, error))
    }
}
