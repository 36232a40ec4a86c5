//! What went wrong: the step, its object, the reason, and what to do.

use std::borrow::Cow;
use std::{fmt, io};

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
    /// The daemon ended before it was ready, of [`Daemon::spawn`](crate::Daemon::spawn). The exit code is the daemon's, or
    /// 128 + the number of the signal that killed it; 71 where it cannot be seen.
    StartFailed,
    /// A signal interrupted the start, of [`Daemon::spawn`](crate::Daemon::spawn). Exit code 128 + its number.
    Interrupted,
    /// This system cannot do it. Exit code 69, `EX_UNAVAILABLE`.
    Unsupported,
}

impl Step {
    /// In the order of their numbers.
    #[rustfmt::skip]
    const ALL: [Step; 11] = [
        Step::Options, Step::Threads, Step::Accounts, Step::Streams, Step::PidFile, Step::Descriptors, Step::Launch,
        Step::Directory, Step::Signals, Step::Privileges, Step::Ready,
    ];
}

impl ErrorKind {
    /// In the order of their numbers.
    #[rustfmt::skip]
    const ALL: [ErrorKind; 12] = [
        ErrorKind::InvalidOption, ErrorKind::NoSuchAccount, ErrorKind::AlreadyRunning, ErrorKind::NotRunning,
        ErrorKind::Misuse, ErrorKind::System, ErrorKind::File, ErrorKind::TimedOut, ErrorKind::NotPermitted,
        ErrorKind::StartFailed, ErrorKind::Interrupted, ErrorKind::Unsupported,
    ];

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
pub struct Error(Box<Inner>);

struct Inner {
    step: Option<Step>,
    kind: ErrorKind,
    what: String,
    why: String,
    advice: Cow<'static, str>,
    exit_code: u8,
    errno: Option<Errno>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// What root, who is permitted everything, can be told.
const LACKING: &str = "this kernel, or a filter such as a container's, lacks the call";

impl Error {
    /// An error with a reason of our own. `what` reads on from "cannot ".
    pub(crate) fn new(
        step: impl Into<Option<Step>>,
        kind: ErrorKind,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        let (what, why) = (escape_control(&what.into()), escape_control(&why.into()));
        let exit_code = kind.exit_code();
        Error(Box::new(Inner { step: step.into(), kind, what, why, advice: "".into(), exit_code, errno: None }))
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
            Errno::ENOSYS => LACKING,
            Errno::EPERM if nix::unistd::geteuid().is_root() => LACKING,
            Errno::EPERM | Errno::EACCES => "give the user the right, or start as one who has it",
            // A directory most likely: /run is empty after each boot.
            Errno::ENOENT => "correct the path, or create what is missing",
            Errno::ENOTDIR | Errno::EISDIR | Errno::ELOOP | Errno::ENXIO | Errno::ENAMETOOLONG => "correct the path",
            Errno::EROFS => "choose a path on a file system that can be written to",
            Errno::ENOSPC | Errno::EDQUOT => "make room on the file system",
            Errno::ENOMEM | Errno::EAGAIN | Errno::EMFILE | Errno::ENFILE => "raise the limit, or try again later",
            _ => "see the manual page of the call",
        })
    }

    /// The same with another "what to do".
    pub(crate) fn advise(mut self, advice: &'static str) -> Self {
        self.0.advice = advice.into();
        self
    }

    /// The same with the exit code of another process.
    pub(crate) fn with_exit_code(mut self, code: i32) -> Self {
        // An exit code has 8 bits, wait(2).
        self.0.exit_code = code as u8;
        self
    }

    /// Encodes it for another process: three numbers, and the three texts, which have no NUL in them.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Inner { step, kind, what, why, advice, exit_code, errno } = &*self.0;
        let step = step.map_or(0, |step| step as u8 + 1);
        let errno = errno.map_or(0, |errno| errno as i32);
        let mut bytes = vec![*kind as u8, step, *exit_code];
        bytes.extend(errno.to_ne_bytes());
        bytes.extend([what.as_bytes(), why.as_bytes(), advice.as_bytes()].join(&0));
        bytes
    }

    /// Decodes what [`encode`](Self::encode) has encoded in the same program.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Error> {
        let (&[kind, step, exit_code, e1, e2, e3, e4], texts) = bytes.split_first_chunk()?;
        let mut texts = texts.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let (what, why, advice) = (texts.next()?, texts.next()?, texts.next()?.into());
        let kind = *ErrorKind::ALL.get(usize::from(kind))?;
        let step = usize::from(step).checked_sub(1).and_then(|step| Step::ALL.get(step)).copied();
        let errno = Some(i32::from_ne_bytes([e1, e2, e3, e4])).filter(|errno| *errno != 0).map(Errno::from_raw);
        Some(Error(Box::new(Inner { step, kind, what, why, advice, exit_code, errno })))
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
