//! The steps in order. The numbers are those of daemon(7), "SysV Daemons".

use std::io::{self, Write};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::unistd::dup2_stderr;

use crate::error::{Error, ErrorKind, Result, Step, errno_of};
use crate::launch::{self, LauncherHandle, LauncherSignals};
use crate::step::credentials::Credentials;
use crate::step::directory::{self, Directories};
use crate::step::log::Log;
use crate::step::pid_file::PidFile;
use crate::step::signal_mask::BlockedSignals;
use crate::step::streams::Streams;
use crate::step::{descriptors, environment, reopen, restrictions, signals, termination, threads};
use crate::trace::Trace;
use crate::{Daemon, supervisor, sys, thread};

const DEFAULT_UMASK: u32 = 0o022;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(90);

/// The pid of the process that has become a daemon.
static DAEMON: AtomicU32 = AtomicU32::new(0);

/// Turns this process into the daemon that the options describe.
pub(crate) fn start(options: Daemon) -> Result<Ready> {
    let foreground = options.foreground.unwrap_or_else(supervisor::supervised);
    let ready = if foreground { start_in_foreground(options) } else { start_in_background(options) }?;
    DAEMON.store(process::id(), Ordering::Relaxed);
    Ok(ready)
}

fn start_in_background(mut options: Daemon) -> Result<Ready> {
    refuse_second_start()?;
    supervisor::stop_notifying();

    // In the launcher: almost all that can fail on what the user of the program chose, so that it is said at the terminal.
    let credentials = check(&options)?;
    let directories = Directories::open(options.chroot.as_deref(), options.chdir.as_deref())?;
    let paths = [&options.stdin, &options.stdout, &options.stderr].map(Option::as_deref);
    let streams = Streams::open(paths, options.chroot.as_deref(), &credentials)?;
    // While a signal can still end this process: a pipe that nobody reads would hold it for ever.
    flush()?;
    // Before there is a pid file, which a Ctrl-C must not leave behind.
    let signals = LauncherSignals::block()?;
    let pid_file = options.pid_file.as_deref().map(|path| PidFile::lock(path, &credentials)).transpose()?;

    // Step 1: close what was inherited.
    let sockets = supervisor::passed_sockets();
    let keep = streams.fds().chain(pid_file.iter().map(PidFile::fd)).chain(directories.fds()).chain([signals.fd()]);
    let keep = keep.chain(sockets.clone()).chain(options.keep_fds.iter().copied());
    let inherited = std::mem::replace(&mut options.inherited, descriptors::Inherited::All);
    inherited.close(keep.collect())?;
    let variables = environment::Unwanted::find(options.keep_env.as_deref());

    // Steps 5 to 8: fork, setsid, fork, exit. Steps 14 and 15 are the other end of this: the launcher waits until it is told
    // that the daemon is ready, and exits.
    let (limit, trace) = (options.start_timeout.unwrap_or(DEFAULT_TIMEOUT), Trace(options.trace));
    let (launcher, pid_file) = launch::detach(signals, pid_file, limit, trace)?;

    // In the daemon. Step 10 comes before any file is created.
    directory::set_umask(options.umask.unwrap_or(DEFAULT_UMASK));
    // Step 11, while root may still change the root directory.
    directories.enter()?;
    // Step 9, for stdin. stdout and stderr follow in `hand_over`: until then a failed start is seen at the terminal.
    streams.switch_stdin()?;
    // Steps 2 and 3. Not earlier, as the launcher needs its own signals blocked across the fork.
    signals::reset()?;
    // Step 4.
    variables.clear();
    environment::pass_sockets(!sockets.is_empty());
    environment::set_user(&credentials);
    // Step 12, which needs the daemon's pid; its lock is held since before the fork.
    publish_pid_file(&options, pid_file)?;
    // Step 13 comes last: all the others may need root's rights.
    drop_privileges(&options, &credentials)?;
    launcher.watch_launcher()?;
    let detached = Detached { launcher, streams, trace };
    Ok(Ready { signals: ReadySignals::new(&options), detached: Some(detached) })
}

/// What is left to do where a supervisor has put the process into its place.
fn start_in_foreground(options: Daemon) -> Result<Ready> {
    supervisor::notify_if_start_fails()?;
    become_service(&options).inspect_err(supervisor::report_failure)?;
    Ok(Ready { signals: ReadySignals::new(&options), detached: None })
}

fn become_service(options: &Daemon) -> Result<()> {
    let credentials = check(options)?;
    supervisor::connect()?;
    let directories = Directories::open(options.chroot.as_deref(), options.chdir.as_deref())?;
    // As in the background: until their handlers are installed, the pid file would stay.
    let _blocked = BlockedSignals::block(&SigSet::from_iter(termination::TERMINATION_SIGNALS))?;
    let pid_file = options.pid_file.as_deref().map(|path| PidFile::lock(path, &credentials)).transpose()?;
    directory::set_umask(options.umask.unwrap_or(DEFAULT_UMASK));
    directories.enter()?;
    environment::set_user(&credentials);
    publish_pid_file(options, pid_file)?;
    drop_privileges(options, &credentials)
}

/// A daemon that starts once more would be the launcher, and end.
fn refuse_second_start() -> Result<()> {
    if DAEMON.load(Ordering::Relaxed) != process::id() {
        return Ok(());
    }
    let why = "this process is a daemon already";
    Err(Error::new(Step::Launch, ErrorKind::Misuse, "start the daemon", why).advise("start it once only"))
}

/// Checks that the options are possible here. Nothing has changed yet.
fn check(options: &Daemon) -> Result<Credentials> {
    options.check()?;
    // Before a file of ours can get one of these numbers.
    descriptors::check_open(&options.keep_fds)?;
    let credentials = Credentials::look_up(options.user.as_ref(), options.group.as_ref())?;
    // After the lookup of names: a library that does it may start one.
    threads::refuse_threads()?;
    Ok(credentials)
}

/// Writes the pid file, and sees to its end.
fn publish_pid_file(options: &Daemon, pid_file: Option<PidFile>) -> Result<()> {
    let has_pid_file = pid_file.is_some();
    if let Some(pid_file) = pid_file {
        pid_file.write()?;
        pid_file.keep_for_life(options.chroot.as_deref())?;
    }
    if has_pid_file || process::id() == 1 { termination::handle_termination() } else { Ok(()) }
}

fn drop_privileges(options: &Daemon, credentials: &Credentials) -> Result<()> {
    credentials.drop_privileges()?;
    if options.no_new_privileges {
        restrictions::forbid_new_privileges()?;
    }
    if options.no_core_dumps {
        restrictions::forbid_core_dumps()?;
    }
    Ok(())
}

/// Writes out what is buffered, which would otherwise appear twice, or not at all.
fn flush() -> Result<()> {
    let failed = |errno| Error::system(Step::Streams, "write what the program has printed", errno);
    sys::retry(|| io::stdout().flush().map_err(|error| errno_of(&error))).map_err(failed)?;
    sys::flush_c_streams().map_err(failed)
}

/// Reports that the daemon is ready, by [`notify`](Ready::notify).
///
/// A main that takes it decides itself when that is; one that does not is ready as soon as its body starts. Until then the
/// launcher waits, and what is printed reaches the terminal. If the process ends before [`notify`](Ready::notify),
/// however it ends, the start has failed. If `Ready` is dropped, the start fails when its time is over.
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
    signals: ReadySignals,
    /// `None` in the foreground.
    detached: Option<Detached>,
}

/// The signals that are handled, or ignored, from the moment that the daemon is ready.
#[derive(Debug)]
struct ReadySignals {
    reopen_on_sighup: bool,
    ignore_sigchld: bool,
}

#[derive(Debug)]
struct Detached {
    launcher: LauncherHandle,
    streams: Streams,
    trace: Trace,
}

impl Ready {
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
    pub fn notify(self) {
        let Ready { signals, detached } = self;
        let told = match detached {
            Some(detached) => detached.hand_over(&signals),
            None => signals
                .set(Vec::new())
                .inspect_err(supervisor::report_failure)
                .and_then(|()| supervisor::report_ready()),
        };
        told.unwrap_or_else(|error| error.exit());
        thread::daemon_is_ready();
    }
}

impl Detached {
    /// Takes the streams from the launcher, and lets it exit: step 9 for stdout and stderr, and step 14.
    fn hand_over(self, signals: &ReadySignals) -> Result<()> {
        let Detached { launcher, streams, trace } = self;
        flush()?;
        let old_stderr = streams.switch_output()?;
        let told =
            streams.close().and_then(|logs| signals.set(logs)).and_then(|()| launcher.report_ready(trace.is_on()));
        if let Err(error) = told {
            // Where the launcher's stderr is out of reach, its exit code still tells.
            let _ = dup2_stderr(&old_stderr);
            return Err(error);
        }
        trace.print_last_row("both parents gone", &old_stderr);
        // The launcher has exited with 0: there is nobody to tell, and the same call has worked for other descriptors.
        let _ = sys::close(old_stderr);
        Ok(())
    }
}

impl ReadySignals {
    fn new(options: &Daemon) -> Self {
        ReadySignals { reopen_on_sighup: options.reopen_on_sighup, ignore_sigchld: options.ignore_sigchld }
    }

    fn set(&self, logs: Vec<Log>) -> Result<()> {
        if self.reopen_on_sighup {
            reopen::reopen_on_sighup(logs)?;
        }
        if self.ignore_sigchld {
            signals::ignore_sigchld()?;
        }
        Ok(())
    }
}
