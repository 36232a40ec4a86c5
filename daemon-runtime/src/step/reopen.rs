//! SIGHUP reopens the log files: logrotate(8) has moved the old ones away.

use std::ffi::CString;
use std::io::IoSlice;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, FcntlArg, OFlag, fcntl};
use nix::libc::{self, c_int, c_void, sigaction, siginfo_t};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, fchmod};
use nix::sys::uio::writev;
use nix::unistd::{dup2_stderr, dup2_stdout, geteuid};

use crate::error::{OrFail, Result, Step};
use crate::report::{escape_control, program_name};
use crate::step::path::{self, path_in_daemon};
use crate::sys::{self, Published, retry};

/// A log file belongs to those who run the daemon, and may be read by its group.
pub(crate) const LOG_MODE: Mode = Mode::from_bits_truncate(0o640);
pub(crate) const LOG_FLAGS: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND);

/// A log file, and what it is opened as.
#[derive(Debug)]
pub(crate) struct Log {
    path: CString,
    is_stdout: bool,
    is_stderr: bool,
    /// The beginning of the line that says that it could not be reopened.
    complaint: String,
}

static LOGS: Published<Vec<Log>> = Published::nothing();
/// The handler that was there before ours.
static PREVIOUS: Published<sigaction> = Published::nothing();

/// How many SIGHUPs wait. Whoever makes 1 of 0 has the turn: it does the work until no more have come, and the handlers in
/// other threads, or of a second signal, only count. So two never work at once, and none waits.
static WAITING: AtomicU32 = AtomicU32::new(0);

/// Handles SIGHUP, which does nothing yet but is remembered: until [`begin`] the start has the turn.
///
/// It has to be there before the pid can be read by somebody who sends it.
pub(crate) fn hold_sighup() -> Result<()> {
    WAITING.store(1, Ordering::Relaxed);
    let previous = sys::disposition(libc::SIGHUP).or_fail(Step::Signals, "handle SIGHUP")?;
    // In a forked child of a daemon it is ours already.
    if previous.sa_sigaction != handle_sighup as sys::Handler as libc::sighandler_t {
        PREVIOUS.publish(previous);
    }
    sys::set_handler(Signal::SIGHUP, handle_sighup).or_fail(Step::Signals, "handle SIGHUP")
}

/// Reopens these logs at each SIGHUP from now on; and now, if one has come since [`hold_sighup`].
pub(crate) fn begin(logs: Vec<Log>) {
    LOGS.publish(logs);
    // One is the start's own turn.
    if WAITING.compare_exchange(1, 0, Ordering::AcqRel, Ordering::Acquire).is_err() {
        work();
    }
}

/// The handler of SIGHUP. Async-signal-safe: it opens, duplicates, closes and writes, and allocates nothing.
pub(crate) extern "C" fn handle_sighup(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let errno = Errno::last();
    let has_turn = WAITING.fetch_add(1, Ordering::AcqRel) == 0;
    if let Some(previous) = PREVIOUS.get() {
        sys::call_handler(previous, signal, info, context);
    }
    if has_turn {
        work();
    }
    errno.set();
}

/// Reopens the logs until no more signals have come. Async-signal-safe.
fn work() {
    loop {
        let seen = WAITING.load(Ordering::Acquire);
        for log in LOGS.get().into_iter().flatten() {
            if let Err(reason) = log.reopen() {
                log.complain(reason);
            }
        }
        if WAITING.compare_exchange(seen, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return;
        }
    }
}

impl Log {
    /// Lists the log files of a daemon that may be in a new root. Two streams with the same path share one open file description.
    pub(crate) fn list(stdout: Option<&Path>, stderr: Option<&Path>, root: Option<&Path>) -> Vec<Self> {
        let same = stdout == stderr;
        let stdout = stdout.map(|path| Log::new(path, root, [true, same]));
        stdout.into_iter().chain(stderr.filter(|_| !same).map(|path| Log::new(path, root, [false, true]))).collect()
    }

    fn new(path: &Path, root: Option<&Path>, [is_stdout, is_stderr]: [bool; 2]) -> Self {
        let shown = escape_control(&path.display().to_string());
        let complaint = format!("{}: cannot reopen log file {shown}: ", program_name());
        Log { path: path_in_daemon(path, root), is_stdout, is_stderr, complaint }
    }

    /// Opens the file that has the path now, and makes it the stream. Async-signal-safe.
    fn reopen(&self) -> nix::Result<()> {
        let new = self.open_or_create()?;
        // Made by whoever may write to the directory, this could be a file that is none of the daemon's business.
        if geteuid().is_root() && sys::file_status(new.as_raw_fd())?.names > 1 {
            return Err(path::SEVERAL_NAMES);
        }
        // Only the opening was not to block.
        fcntl(&new, FcntlArg::F_SETFL(OFlag::O_APPEND))?;
        if self.is_stdout {
            retry(|| dup2_stdout(&new))?;
        }
        if self.is_stderr {
            retry(|| dup2_stderr(&new))?;
        }
        Ok(())
    }

    /// Opens a file with the rights that the daemon has now. Root follows a link only if that is root's. Async-signal-safe.
    fn open_or_create(&self) -> nix::Result<OwnedFd> {
        let open = |flags| sys::open_at(AT_FDCWD, &*self.path, LOG_FLAGS | path::FLAGS | flags, LOG_MODE);
        let is_roots = || sys::file_status_at(AT_FDCWD, &self.path).is_ok_and(|link| link.owner == 0);
        let is_root = geteuid().is_root();
        let no_link = if is_root { OFlag::O_NOFOLLOW } else { OFlag::empty() };
        match open(no_link) {
            Err(Errno::ELOOP) if is_root && is_roots() => return open(OFlag::O_CREAT),
            Err(Errno::ELOOP) if is_root => return Err(path::UNTRUSTED_LINK),
            Err(Errno::ENOENT) => {}
            opened => return opened,
        }
        // A link that is followed may lead nowhere yet.
        let exclusive = if is_root { OFlag::O_EXCL } else { OFlag::empty() };
        match open(OFlag::O_CREAT | exclusive) {
            // Somebody has created it in between.
            Err(Errno::EEXIST) => open(no_link),
            created => {
                let file = created?;
                // Whatever the umask is. A file system without modes refuses it.
                let _ = fchmod(&file, LOG_MODE);
                Ok(file)
            }
        }
    }

    /// Says in the old file why it stays in use. Async-signal-safe.
    fn complain(&self, reason: Errno) {
        let line = [&self.complaint, path::describe(reason), "; the old file stays in use\n"];
        let line = line.map(|part| IoSlice::new(part.as_bytes()));
        let old: BorrowedFd<'_> = if self.is_stderr { sys::STDERR } else { sys::STDOUT };
        // Where even the old file does not take it there is nobody left to tell.
        let _ = writev(old, &line);
    }
}
