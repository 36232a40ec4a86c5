//! A log file: how it is opened, at the start and again on SIGHUP.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{dup2_stderr, dup2_stdout};

use crate::report::{escape_control, program_name};
use crate::step::credentials::Credentials;
use crate::step::directory::path_in_root;
use crate::step::file::{self, open_for_stream};
use crate::step::streams::OpenFile;
use crate::sys::{self, FileId, retry};

/// A log file belongs to those who run the daemon, and may be read by its group.
const MODE: Mode = Mode::from_bits_truncate(0o640);
const FLAGS: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND);

/// A log file, open for a daemon that does not run yet.
#[derive(Debug)]
pub(crate) struct OpenLog {
    pub(crate) file: OpenFile,
    pub(crate) log: Log,
}

/// The log files that a start has created. Unless it is [kept](CreatedLogs::keep), a file in which nothing was written goes
/// when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct CreatedLogs(Vec<(CString, FileId)>);

impl CreatedLogs {
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for CreatedLogs {
    fn drop(&mut self) {
        for (path, id) in &self.0 {
            if file::status_of_resolved(path).is_ok_and(|status| status.id == *id && status.is_empty) {
                // The start has failed for a reason of its own, which is said; an empty log prevents no other.
                let _ = file::unlink_resolved(path);
            }
        }
    }
}

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
    pub(crate) fn open(
        path: &Path,
        root: Option<&Path>,
        credentials: &Credentials,
        all_created: &mut CreatedLogs,
    ) -> nix::Result<OpenLog> {
        let for_another = !credentials.is_unchanged();
        let resolved = file::resolve(path, !for_another)?;
        let (fd, created) = open_or_create(&resolved, for_another)?;
        let file = OpenFile::new(fd)?;
        let shown = escape_control(&resolved.to_string_lossy());
        let log = Log {
            path: path_in_root(root, &resolved).unwrap_or_default(),
            for_another,
            for_stdout: false,
            for_stderr: false,
            complaint: format!("{}: cannot reopen log file {shown}: ", program_name()),
        };
        if created {
            all_created.0.push((resolved, file.id()));
            credentials.give_file(file.fd())?;
        }
        Ok(OpenLog { file, log })
    }

    /// Opens the file that has the path now, and makes it the stream. Async-signal-safe.
    pub(crate) fn reopen(&self) -> nix::Result<()> {
        // With `group` alone it still is root who opens it.
        let (new, _) = open_or_create(&self.path, self.for_another)?;
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
        let line = [&self.complaint, file::describe(reason), "; the old file stays in use\n"];
        let line = line.map(|part| std::io::IoSlice::new(part.as_bytes()));
        // Where even the old file does not take it there is nobody left to tell.
        let _ = nix::sys::uio::writev(if self.for_stderr { sys::STDERR } else { sys::STDOUT }, &line);
    }
}

/// Opens a log file to append to, or creates it, and tells which. Async-signal-safe.
fn open_or_create(path: &CStr, for_another: bool) -> nix::Result<(OwnedFd, bool)> {
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
                // Whatever the umask is. A file system without modes refuses it, which is no reason not to start.
                let _ = retry(|| fchmod(&fd, MODE));
                break (fd, true);
            }
        }
    };
    // Only the opening was not to block.
    retry(|| fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_APPEND)))?;
    Ok((fd, created))
}
