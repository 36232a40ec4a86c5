//! Errors of system calls.

use std::borrow::Cow;
use std::io;

use nix::errno::Errno;

use crate::error::{Error, ErrorKind, Step};
use crate::report::report;

/// The errno(3) in an error of std. Where there is none, a write came to nothing, or an argument was none.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    match error.raw_os_error() {
        Some(number) => Errno::from_raw(number),
        None if error.kind() == io::ErrorKind::WriteZero => Errno::EPIPE,
        None => Errno::EINVAL,
    }
}

const LACKING: &str = "this kernel, or a filter such as a container's, lacks the call";
/// What root can be told, who is permitted everything else.
const FORBIDDEN: &str =
    "this kernel, or a filter such as a container's, lacks the call, or a capability was taken away";
const IMMUTABLE: &str = "look for the flags of chattr(1), or for a filter that forbids it";

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
            _ => "see errno(3)",
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
}
