//! A log file: how it is opened, at the start and again on SIGHUP.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{dup2_stderr, dup2_stdout};

use crate::report::{escape_control, program_name};
use crate::step::credentials::Credentials;
use crate::step::file::{self, FilePath};
use crate::step::streams::OpenFile;
use crate::sys::{self, FileStatus, retry};

/// A log file belongs to those who run the daemon, and may be read by its group.
const MODE: Mode = Mode::from_bits_truncate(0o640);
const FLAGS: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND);
/// How often a file is tried that another start is about to remove.
const ATTEMPTS: usize = 50;

/// A log file, open for a daemon that does not run yet.
#[derive(Debug)]
pub(crate) struct OpenLog {
    pub(crate) file: OpenFile,
    pub(crate) log: Log,
}

/// The log files that a start has created, and their descriptors. Unless it is [kept](CreatedLogs::keep), a file in which
/// nothing was written, and that nobody else uses, goes when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct CreatedLogs(Vec<(FilePath, RawFd)>);

impl CreatedLogs {
    pub(crate) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for CreatedLogs {
    fn drop(&mut self) {
        for (path, fd) in &self.0 {
            // Another daemon may log to it: one that was started at the same time.
            let is_unused = |status: FileStatus| {
                status.is_empty && sys::file_id(*fd) == Ok(status.id) && !sys::is_open_elsewhere(*fd)
            };
            // The start has failed for a reason of its own, which is said; an empty log prevents no other.
            let _ = path.remove_if(is_unused);
        }
    }
}

/// What is needed to open a log file again.
#[derive(Debug)]
pub(crate) struct Log {
    /// As it is seen inside a new root.
    path: FilePath,
    pub(crate) for_stdout: bool,
    pub(crate) for_stderr: bool,
    /// The [digest](sys::FileId::digest) of the file that is open.
    open: AtomicUsize,
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
        let path = FilePath::new(path, for_another, !for_another)?;
        let (fd, created) = open_or_create(&path)?;
        let number = fd.as_raw_fd();
        let prepared = if created { credentials.give_file(&fd, &path) } else { Ok(()) };
        let file = prepared.and_then(|()| let_block(&fd)).and_then(|()| OpenFile::new(fd)).inspect_err(|_| {
            if created {
                // That failure is said.
                let _ = path.remove_if(|status| status.is_empty);
            }
        })?;
        if created {
            all_created.0.push((path.clone(), number));
        }
        let shown = escape_control(&path.as_os_str().to_string_lossy());
        let log = Log {
            path: path.seen_in(root, file.id()),
            for_stdout: false,
            for_stderr: false,
            open: AtomicUsize::new(file.id().digest()),
            complaint: format!("{}: cannot reopen log file {shown}: ", program_name()),
        };
        Ok(OpenLog { file, log })
    }

    /// Opens the file that has the path now, and makes it the stream. Async-signal-safe.
    pub(crate) fn reopen(&self) -> nix::Result<()> {
        let (is_stdout, is_stderr) = (self.is_stdout(), self.is_stderr());
        if !is_stdout && !is_stderr {
            return Ok(());
        }
        let (new, _) = open_or_create(&self.path)?;
        let_block(&new)?;
        let id = sys::file_id(new.as_raw_fd())?;
        if is_stdout {
            retry(|| dup2_stdout(&new))?;
        }
        if is_stderr {
            retry(|| dup2_stderr(&new))?;
        }
        self.open.store(id.digest(), Ordering::Relaxed);
        Ok(())
    }

    fn is_stdout(&self) -> bool {
        self.for_stdout && self.is_at(sys::STDOUT)
    }

    fn is_stderr(&self) -> bool {
        self.for_stderr && self.is_at(sys::STDERR)
    }

    /// The program may have closed a stream, and have another file at its number.
    fn is_at(&self, stream: BorrowedFd<'_>) -> bool {
        sys::file_id(stream.as_raw_fd()).is_ok_and(|id| id.digest() == self.open.load(Ordering::Relaxed))
    }

    /// Says in the old file why it stays in use. Async-signal-safe.
    pub(crate) fn complain(&self, reason: Errno) {
        let line = [&self.complaint, file::describe(reason), "; the old file stays in use\n"];
        let line = line.map(|part| std::io::IoSlice::new(part.as_bytes()));
        let old = if self.is_stderr() { sys::STDERR } else { sys::STDOUT };
        if self.is_at(old) {
            // Where even the old file does not take it there is nobody left to tell.
            let _ = nix::sys::uio::writev(old, &line);
        }
    }
}

/// Opens a log file to append to, or creates it, and tells which. Async-signal-safe.
fn open_or_create(path: &FilePath) -> nix::Result<(OwnedFd, bool)> {
    let mut attempts = 0..ATTEMPTS;
    loop {
        match path.open_for_stream(FLAGS, MODE) {
            Err(Errno::ENOENT) => {}
            // Somebody has a lease on it, fcntl(2): `is_open_elsewhere`, for a moment.
            Err(Errno::EAGAIN) if attempts.next().is_some() => {
                sleep(Duration::from_millis(1));
                continue;
            }
            opened => return Ok((opened?, false)),
        }
        match path.create(FLAGS, MODE) {
            Err(Errno::EEXIST) => {}
            created => {
                let fd = created?;
                // Whatever the umask is. A file system without modes refuses it, which is no reason not to start.
                let _ = retry(|| fchmod(&fd, MODE));
                return Ok((fd, true));
            }
        }
    }
}

/// Only the opening was not to block.
fn let_block(log: &OwnedFd) -> nix::Result<()> {
    retry(|| fcntl(log, FcntlArg::F_SETFL(OFlag::O_APPEND))).map(drop)
}
