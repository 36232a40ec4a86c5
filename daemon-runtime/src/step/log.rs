//! A log file: how it is opened, at the start and again on SIGHUP.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{dup2_stderr, dup2_stdout};

use crate::report::{escape_control, program_name};
use crate::step::credentials::Credentials;
use crate::step::directory::path_in_root;
use crate::step::file::open_for_stream;
use crate::sys::{self, retry};

/// A log file belongs to those who run the daemon, and may be read by its group.
const MODE: Mode = Mode::from_bits_truncate(0o640);
const FLAGS: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND);

/// What is needed to open a log file again.
#[derive(Debug)]
pub(crate) struct Log {
    /// As it is seen inside a new root; empty, which cannot be opened, where that hides it.
    path: CString,
    for_another: bool,
    pub(crate) for_stdout: bool,
    pub(crate) for_stderr: bool,
    /// The beginning of the line that says that it could not be reopened.
    complaint: String,
}

impl Log {
    /// Opens a log file, or creates it for the daemon's user.
    pub(crate) fn open(path: &Path, root: Option<&Path>, credentials: &Credentials) -> nix::Result<(OwnedFd, Log)> {
        let for_another = !credentials.is_unchanged();
        let (fd, created) = open_or_create(path, for_another)?;
        if created {
            credentials.give_file(&fd)?;
        }
        let absolute = std::path::absolute(path).map_err(|error| crate::error::errno_of(&error))?;
        let seen = path_in_root(root, &absolute).unwrap_or_default();
        let log = Log {
            path: CString::new(seen.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?,
            for_another,
            for_stdout: false,
            for_stderr: false,
            complaint: format!(
                "{}: cannot reopen log file {}: ",
                program_name(),
                escape_control(&absolute.display().to_string())
            ),
        };
        Ok((fd, log))
    }

    /// Opens the file that has the path now, and makes it the stream. Async-signal-safe.
    pub(crate) fn reopen(&self) -> nix::Result<()> {
        // With `group` alone it still is root who opens it.
        let (new, _) = open_or_create(self.path.as_c_str(), self.for_another)?;
        if self.for_stdout {
            retry(|| dup2_stdout(&new))?;
        }
        if self.for_stderr {
            retry(|| dup2_stderr(&new))?;
        }
        Ok(())
    }

    /// Says in the old file why it stays in use. Async-signal-safe.
    pub(crate) fn complain(&self, reason: Errno) {
        let line = [&self.complaint, reason.desc(), "; the old file stays in use\n"];
        let line = line.map(|part| std::io::IoSlice::new(part.as_bytes()));
        // Where even the old file does not take it there is nobody left to tell.
        let _ = nix::sys::uio::writev(if self.for_stderr { sys::STDERR } else { sys::STDOUT }, &line);
    }
}

/// Opens a log file to append to, or creates it, and tells which. Async-signal-safe.
fn open_or_create(path: &(impl NixPath + ?Sized), for_another: bool) -> nix::Result<(OwnedFd, bool)> {
    let (fd, created) = loop {
        match open_for_stream(path, FLAGS, MODE, for_another) {
            Err(Errno::ENOENT) => {}
            opened => break (opened?, false),
        }
        // What is created is given away, so it must not be what somebody has put there in the meantime.
        let exclusive = if for_another { OFlag::O_EXCL } else { OFlag::empty() };
        match open_for_stream(path, FLAGS | OFlag::O_CREAT | exclusive, MODE, for_another) {
            Err(Errno::EEXIST) => {}
            created => {
                let fd = created?;
                // Whatever the umask is.
                retry(|| fchmod(&fd, MODE))?;
                break (fd, true);
            }
        }
    };
    // Only the opening was not to block.
    retry(|| fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_APPEND)))?;
    Ok((fd, created))
}
