//! What went wrong: the step, its object, the reason, and what to do.

use std::fmt;
use std::io::{self, Write};

use nix::errno::Errno;

/// The part of the work that failed; see [`Error::step`].
///
/// ```
/// use daemon_runtime::{Daemon, Step};
///
/// let error = Daemon::new().chdir("not/absolute").start().unwrap_err();
/// assert_eq!(error.step(), Step::Options);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// A value of an option is out of its range, or contradicts another option.
    Options,
    /// The process already has threads.
    Threads,
    /// Looking up `user` and `group`.
    Names,
    /// Opening or switching stdin, stdout or stderr.
    Streams,
    /// Locking, writing or creating the pid file.
    PidFile,
    /// Finding or closing inherited descriptors.
    Descriptors,
    /// The forks, `setsid`, and what passes between the three processes.
    Launch,
    /// `chroot`, `chdir` and `umask`.
    Directory,
    /// Signal dispositions and the signal mask.
    Signals,
    /// Changing the user, the groups, capabilities and limits.
    Privileges,
    /// The daemon was too slow, or ended, before it was ready.
    Ready,
    /// Seeing or controlling a running daemon; see [`Instance`](crate::Instance).
    Instance,
}

/// Why a daemon could not be started, or could not be controlled.
///
/// [`Display`](fmt::Display), and `Debug` too, so that `fn main() -> Result<(), Error>` reads well, is one line without
/// the program's name: what could not be done, on what, why, and what to do.
///
/// ```
/// let error = daemon_runtime::Daemon::new().umask(0o1777).start().unwrap_err();
/// assert_eq!(error.to_string(), "cannot use umask = 0o1777: `umask` must be at most 0o777; correct the option");
/// assert_eq!(error.exit_code(), 64);
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    step: Step,
    code: u8,
    what: String,
    why: String,
    advice: &'static str,
    source: Option<io::Error>,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The exit codes of sysexits(3) that this crate uses.
pub(crate) mod code {
    pub(crate) const USAGE: u8 = 64;
    pub(crate) const NO_USER: u8 = 67;
    pub(crate) const UNAVAILABLE: u8 = 69;
    pub(crate) const SOFTWARE: u8 = 70;
    pub(crate) const OS_ERROR: u8 = 71;
    pub(crate) const CANNOT_CREATE: u8 = 73;
    pub(crate) const TEMPORARY: u8 = 75;
    pub(crate) const NOT_PERMITTED: u8 = 77;
}

impl Error {
    /// A reason of our own. `what` reads on from "cannot ".
    pub(crate) fn new(step: Step, code: u8, what: impl Into<String>, why: impl Into<String>) -> Self {
        let (what, why) = (plain(&what.into()), plain(&why.into()));
        Error(Box::new(Inner { step, code, what, why, advice: "", source: None }))
    }

    /// A failed system call. `what` reads on from "cannot ".
    pub(crate) fn system(step: Step, what: impl Into<String>, errno: Errno) -> Self {
        let code = match (step, errno) {
            (Step::Streams | Step::PidFile, _) => code::CANNOT_CREATE,
            (_, Errno::EPERM | Errno::EACCES) => code::NOT_PERMITTED,
            _ => code::OS_ERROR,
        };
        let source = io::Error::from(errno);
        // strerror(3), without the number that Rust adds.
        let why = source.to_string();
        let mut error = Error::new(step, code, what, why.split(" (os error").next().unwrap_or(&why));
        error.0.source = Some(source);
        error.advise(match errno {
            Errno::EPERM | Errno::EACCES => "give the user the right, or start as one who has it",
            // A folder most likely: /run is empty after each boot.
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

    /// The step that failed.
    ///
    /// ```
    /// use daemon_runtime::{Daemon, Step};
    ///
    /// let error = Daemon::new().pid_file("").start().unwrap_err();
    /// assert_eq!(error.step(), Step::Options);
    /// ```
    pub fn step(&self) -> Step {
        self.0.step
    }

    /// The code that a program which gives up over this should exit with, from sysexits(3).
    ///
    /// | code | |
    /// | --- | --- |
    /// | 64 | a bad value of an option |
    /// | 67 | no such user or group |
    /// | 69 | already running; of an [`Instance`](crate::Instance), not running |
    /// | 70 | the process has threads, or another mistake of the program |
    /// | 71 | a system call failed |
    /// | 73 | a file cannot be created |
    /// | 75 | not ready in time |
    /// | 77 | not permitted |
    ///
    /// ```
    /// let error = daemon_runtime::Daemon::new().start_timeout(0).start().unwrap_err();
    /// assert_eq!(error.exit_code(), 64);
    /// ```
    pub fn exit_code(&self) -> u8 {
        self.0.code
    }

    /// The number of the system call's error, if it was one.
    pub(crate) fn errno(&self) -> Option<i32> {
        self.0.source.as_ref()?.raw_os_error()
    }

    /// Prints the line that the attribute prints, with the program's name before it, on stderr.
    pub(crate) fn report(&self) {
        report(&self.to_string());
    }

    /// [`report`](Self::report), and the end of the program.
    pub(crate) fn report_and_exit(&self) -> ! {
        self.report();
        std::process::exit(self.exit_code().into())
    }

    /// [`report`](Self::report), and the end of a process that must not run the program's own exit handlers.
    pub(crate) fn report_and_exit_now(&self) -> ! {
        self.report();
        crate::sys::exit_now(self.exit_code().into())
    }
}

/// The errno(3) in an error of std.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EPIPE, Errno::from_raw)
}

/// A name may hold any character. It must not look like another line, to systemd for one, nor speak to the terminal.
pub(crate) fn plain(text: &str) -> String {
    let plain = |it: char| if it.is_control() { it.escape_debug().to_string() } else { it.to_string() };
    text.chars().map(plain).collect()
}

/// One line about this program on stderr, written at once so that lines of several processes do not mix.
pub(crate) fn report(line: &str) {
    let line = format!("{}{}: {line}\n", crate::supervisor::line_prefix(), program());
    // Where stderr itself is broken there is no other place to say so; the exit code still tells.
    let _ = io::stderr().write_all(line.as_bytes());
}

/// The program's name as messages give it: the last component of `argv[0]`.
pub(crate) fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    match std::path::Path::new(&path).file_name() {
        Some(name) => plain(&name.to_string_lossy()),
        None => "daemon".into(),
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

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}
