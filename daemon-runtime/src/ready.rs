//! What happens when the daemon is ready.

use nix::unistd::dup2_stderr;

use crate::error::Result;
use crate::launch::Link;
use crate::step::pid_file::KeptPidFile;
use crate::step::reopen;
use crate::step::signals::ignore_sigchld;
use crate::step::streams::{Streams, flush};
use crate::supervisor::Supervisor;
use crate::trace::Trace;
use crate::{Daemon, thread};

/// Reports that the daemon is ready, by [`notify`](Ready::notify).
///
/// A main that takes it decides itself when that is; one that does not is ready as soon as its body starts. Until then the
/// launcher waits, and what is printed reaches the terminal. If the process ends before [`notify`](Ready::notify),
/// however it ends, the start has failed. If `Ready` is dropped, the start fails when its time is over. In the foreground
/// the end is the process's own, with its exit code, as of any program.
///
/// Processes that are started before [`notify`](Ready::notify) have the launcher's standard output and error, and whoever reads
/// them, such as `$(app)`, waits for these processes too: start them afterwards, or give them other streams.
///
/// # Examples
///
/// ```no_run
/// use daemon_runtime::{Ready, daemon};
///
/// #[daemon]
/// fn main(ready: Ready) -> std::io::Result<()> {
///     let config = std::fs::read_to_string("/etc/app.conf")?; // A failure ends the launcher, with the same exit code.
///     ready.notify();
///     println!("{config}");
///     Ok(())
/// }
/// ```
#[must_use = "the launcher waits until `notify` is called"]
#[derive(Debug)]
pub struct Ready {
    streams: Streams,
    pid_file: Option<KeptPidFile>,
    ignore_sigchld: bool,
    reopen_on_sighup: bool,
    trace: Trace,
    pub(crate) waiting: Waiting,
}

/// Who waits until the daemon is ready.
#[derive(Debug)]
pub(crate) enum Waiting {
    Nobody,
    Launcher(Link),
    Supervisor(Supervisor),
}

impl Ready {
    pub(crate) fn new(options: &Daemon, streams: Streams, pid_file: Option<KeptPidFile>, link: Option<Link>) -> Self {
        let Daemon { ignore_sigchld, reopen_on_sighup, trace, .. } = *options;
        let waiting = link.map_or(Waiting::Nobody, Waiting::Launcher);
        Ready { streams, pid_file, ignore_sigchld, reopen_on_sighup, trace: Trace(trace), waiting }
    }

    /// Reports that the daemon is ready.
    ///
    /// Standard output and error become the log files, the launcher exits with 0, and from then on nothing of the
    /// start can fail. A step that fails in here is reported on the launcher's standard error, and ends the process, and
    /// with it the launcher, with the error's exit code.
    ///
    /// In the foreground it tells the supervisor, and changes no stream.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// let ready = daemon_runtime::Daemon::new().start()?;
    /// ready.notify();
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify(mut self) {
        self.report_ready().unwrap_or_else(|error| error.exit());
        thread::daemon_is_ready();
    }

    fn report_ready(&mut self) -> Result<()> {
        if let Waiting::Launcher(link) = &self.waiting {
            link.check()?;
        }
        flush()?;
        // Step 9, for stdout and stderr.
        let old_stderr = self.streams.switch_output()?;
        if let Err(error) = self.tell() {
            // Where the launcher's stderr is out of reach, its exit code still tells.
            let _ = dup2_stderr(&old_stderr);
            return Err(error);
        }
        // Nothing can fail from here on, and a SIGHUP that was held is a reload, and nothing of the start.
        if self.reopen_on_sighup {
            reopen::begin(self.streams.logs_to_reopen());
        }
        if let (true, Waiting::Launcher(link)) = (self.trace.0, &self.waiting) {
            link.wait_until_orphaned();
            self.trace.print_last_row("both parents gone", &old_stderr);
        }
        Ok(())
    }

    /// Step 14: tells those who look at the pid file, and who waits, and waits for the launcher's answer.
    fn tell(&self) -> Result<()> {
        if self.ignore_sigchld {
            ignore_sigchld()?;
        }
        self.pid_file.as_ref().map_or(Ok(()), KeptPidFile::mark_ready)?;
        match &self.waiting {
            Waiting::Nobody => Ok(()),
            Waiting::Launcher(link) => link.report_ready(),
            Waiting::Supervisor(supervisor) => supervisor.report_ready(),
        }
    }
}
