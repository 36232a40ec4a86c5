//! SIGHUP opens the log files anew: logrotate(8) has moved the old ones away.

use std::ffi::CString;
use std::io::IoSlice;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc::{c_int, c_void, sigaction, siginfo_t};
use nix::sys::signal::Signal;
use nix::sys::uio::writev;
use nix::unistd::{dup2_stderr, dup2_stdout};

use crate::error::{Error, Result, Step, plain, program};
use crate::step::directory::inside;
use crate::step::streams::{Streams, open_log};
use crate::sys::{self, retry};

/// A log file, its path as it is seen inside a new root.
struct Log {
    path: CString,
    complaint: String,
    stdout: bool,
    stderr: bool,
    for_another: bool,
}

struct Reopening {
    logs: Vec<Log>,
    before: sigaction,
}

static REOPENING: OnceLock<Reopening> = OnceLock::new();

/// From now on SIGHUP opens the log files anew. Without streams, in the foreground, it does nothing, but is not fatal.
pub(crate) fn on_sighup(streams: Option<&Streams>, root: Option<&Path>) -> Result<()> {
    let failed = |errno| Error::system(Step::Signals, "handle SIGHUP", errno);
    let before = sys::disposition(Signal::SIGHUP as c_int).map_err(failed)?;
    let logs = streams.map_or(Vec::new(), |streams| logs(streams, root));
    REOPENING.get_or_init(|| Reopening { logs, before });
    sys::set_handler(Signal::SIGHUP, reopen).map_err(failed)
}

fn logs(streams: &Streams, root: Option<&Path>) -> Vec<Log> {
    let log = |(path, stdout, stderr): (&Path, bool, bool)| {
        // Where a new root hides it, an empty path, which cannot be opened.
        let seen = inside(root, path).unwrap_or_default();
        Some(Log {
            // A path that has been opened has no NUL in it.
            path: CString::new(seen.as_os_str().as_bytes()).ok()?,
            complaint: format!("{}: cannot reopen log file {}: ", program(), plain(&path.display().to_string())),
            stdout,
            stderr,
            for_another: streams.for_another,
        })
    };
    streams.logs().filter_map(log).collect()
}

/// The handler of SIGHUP. Async-signal-safe: it opens, duplicates, closes and writes, and allocates nothing.
pub(crate) extern "C" fn reopen(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(Reopening { logs, before }) = REOPENING.get() else { return };
    let errno = Errno::last();
    for log in logs {
        if let Err(reason) = log.reopen() {
            let line = [&log.complaint, reason.desc(), "; the old file stays in use\n"];
            let line = line.map(|part| IoSlice::new(part.as_bytes()));
            // Where even the old file does not take it there is nobody left to tell.
            let _ = writev(if log.stderr { sys::STDERR } else { sys::STDOUT }, &line);
        }
    }
    // A handler that was there before goes on as if it were alone.
    sys::call_handler(before, signal, info, context);
    errno.set();
}

impl Log {
    fn reopen(&self) -> nix::Result<()> {
        // With `group` alone it still is root who opens it.
        let (new, _) = open_log(self.path.as_c_str(), self.for_another)?;
        retry(|| fcntl(&new, FcntlArg::F_SETFL(OFlag::O_APPEND)))?;
        if self.stdout {
            retry(|| dup2_stdout(&new))?;
        }
        if self.stderr {
            retry(|| dup2_stderr(&new))?;
        }
        Ok(())
    }
}
