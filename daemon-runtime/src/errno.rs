//! Errors of system calls, and how an error is sent to another process.

use std::borrow::Cow;
use std::io;

use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Inner, Step};
use crate::report::report;

/// The errno(3) in an error of std. Where there is none, std reports that a write came to nothing.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EPIPE, Errno::from_raw)
}

const LACKING: &str = "this kernel, or a filter such as a container's, lacks the call";
/// What root can be told, who is permitted everything else.
const FORBIDDEN: &str =
    "this kernel, or a filter such as a container's, lacks the call, or a capability was taken away";
const IMMUTABLE: &str = "look for the flags of chattr(1), or for a filter that forbids it";

/// So that three of them fit into what the client reads.
const MAX_TEXT: usize = 20_000;

impl Error {
    /// A failed system call. `what` reads on from "cannot ".
    pub(crate) fn system<'a>(step: impl Into<Option<Step>>, what: impl Into<Cow<'a, str>>, errno: Errno) -> Self {
        Self::of_errno(step.into(), what.into(), errno)
    }

    fn of_errno(step: Option<Step>, what: Cow<'_, str>, errno: Errno) -> Self {
        let kind = match (step, errno) {
            (Some(Step::Streams | Step::PidFile), _) => ErrorKind::File,
            (_, Errno::EPERM | Errno::EACCES) => ErrorKind::NotPermitted,
            _ => ErrorKind::System,
        };
        // strerror(3), without the number that Rust adds.
        let why = io::Error::from(errno).to_string();
        let error = Error::new(step, kind, what, why.split(" (os error").next().unwrap_or(&why));
        error.with_errno(errno as i32).advise(match errno {
            Errno::ENOSYS => LACKING,
            Errno::EPERM if nix::unistd::geteuid().is_root() => match kind {
                ErrorKind::File => IMMUTABLE,
                _ => FORBIDDEN,
            },
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

    /// Prints the error and ends a process that must not run the program's own exit handlers.
    pub(crate) fn exit_now(&self) -> ! {
        report(&self.to_string());
        crate::sys::exit_now(self.exit_code().into())
    }

    /// The same with the exit code of another process.
    pub(crate) fn with_exit_code(mut self, code: i32) -> Self {
        // An exit code has 8 bits, wait(2).
        self.0.exit_code = code as u8;
        self
    }

    /// Encodes it for another process: three numbers, and the three texts, which have no NUL in them. What is longer than
    /// a message may be is cut.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Inner { step, kind, what, why, advice, exit_code, errno } = &*self.0;
        let step = step.map_or(0, |step| step as u8 + 1);
        let mut bytes = vec![*kind as u8, step, *exit_code];
        bytes.extend(errno.unwrap_or(0).to_ne_bytes());
        let [what, why, advice] = [&**what, why, advice].map(|text| &text.as_bytes()[..text.len().min(MAX_TEXT)]);
        bytes.extend([what, why, advice].join(&0));
        bytes
    }

    /// Decodes what [`encode`](Self::encode) has encoded in the same program.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Error> {
        let (&[kind, step, exit_code, e1, e2, e3, e4], texts) = bytes.split_first_chunk()?;
        let mut texts = texts.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
        let (what, why, advice) = (texts.next()?, texts.next()?, texts.next()?.into());
        let kind = *ErrorKind::ALL.get(usize::from(kind))?;
        let step = usize::from(step).checked_sub(1).and_then(|step| Step::ALL.get(step)).copied();
        let errno = Some(i32::from_ne_bytes([e1, e2, e3, e4])).filter(|errno| *errno != 0);
        Some(Error(Box::new(Inner { step, kind, what, why, advice, exit_code, errno })))
    }
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
}
