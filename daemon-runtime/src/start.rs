//! The steps in order. The numbers are those of daemon(7), "SysV Daemons".

use std::io::{self, Write};
use std::mem::ManuallyDrop;
use std::os::unix::net::UnixStream;
use std::process;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use nix::unistd::dup2_stderr;

use crate::daemon_process::{self, is_daemon, mark_as_daemon};
use crate::errno::errno_of;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::inherited::inherited;
use crate::launch::{self, Launch, LauncherHandle, LauncherSignals};
use crate::step::credentials::Credentials;
use crate::step::directory::{self, Directories};
use crate::step::pid_file::{self, PidFile, ReadyMark};
use crate::step::record_locks::refuse_record_locks;
use crate::step::reopen::{self, OnSighup};
use crate::step::signal_mask::BlockedSignals;
use crate::step::streams::{self, Streams};
use crate::step::{descriptors, environment, restrictions, signals, termination, threads};
use crate::trace::Trace;
use crate::{Daemon, supervisor, sys, thread};

const DEFAULT_UMASK: u32 = 0o022;
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(90);
/// How long another thread may hold stdout's lock before what is buffered there is left to it.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// Turns this process into the daemon that the options describe.
pub(crate) fn start(options: Daemon) -> Result<Ready> {
    let foreground = options.foreground.unwrap_or_else(supervisor::supervised);
    daemon_process::drop_parents_lock();
    streams::open_closed()?;
    // As a launcher the daemon would end. In the foreground a second start harms nobody, unless there is a pid file to keep.
    if is_daemon() && (!foreground || pid_file::is_kept()) {
        let why = "this process is a daemon already";
        return Err(Error::new(Step::Launch, ErrorKind::Misuse, "start the daemon", why).advise("start it once only"));
    }
    if foreground { start_in_foreground(options) } else { start_in_background(options, None) }
}

/// Detaches. Only the daemon returns; or the launcher, with an error, if nothing could be forked. With a `client`, which is
/// told how the start has ended, an error never returns from the daemon: the program would take that for its client.
pub(crate) fn start_in_background(options: Daemon, client: Option<&UnixStream>) -> Result<Ready> {
    supervisor::stop_notifying();
    let is_spawned = client.is_some();

    // In the launcher: almost all that can fail on what the user of the program chose, so that it is said at the terminal.
    let credentials = check(&options)?;
    // After the lookup of names: a library that does it may start one.
    threads::refuse_threads()?;
    let root = options.chroot.as_deref();
    let directories = Directories::open(root, options.chdir.as_deref())?;
    let wanted = [&options.stdin, &options.stdout, &options.stderr];
    let (streams, created_logs) = Streams::open(wanted, root, &credentials)?;
    options.pid_file.as_deref().map_or(Ok(()), |path| streams.refuse_pid_file(path))?;
    // While a signal can still end this process: a pipe that nobody reads would hold it for ever.
    flush()?;
    // Before there is a pid file, which a Ctrl-C must not leave behind.
    let launcher_signals = LauncherSignals::block()?;
    // Dropped before these let a signal through that ends the process.
    let created_logs = created_logs;
    let mask = launcher_signals.mask_before();
    let pid_file = lock_pid_file(&options, &credentials)?;

    // Step 1: close what was inherited.
    // What a service manager has passed to a client is for that.
    let sockets = if is_spawned { 0..0 } else { supervisor::passed_sockets() };
    let is_foreign_service = is_spawned || supervisor::has_foreign_notify_socket();
    let keep: Vec<_> = sockets.clone().chain(options.keep_fds.iter().copied()).collect();
    let unwanted = descriptors::find_inherited(inherited().descriptors.as_deref(), &keep)?;
    refuse_record_locks(&unwanted)?;
    descriptors::close_inherited(&unwanted)?;
    let variables = environment::Unwanted::find(options.keep_env.as_deref(), &credentials, is_foreign_service);
    let sigchld = signals::default_sigchld(&inherited().signals)?;

    // Steps 5 to 8: fork, setsid, fork, exit. Steps 14 and 15 are the other end of this: the launcher waits until it is told
    // that the daemon is ready, and exits.
    let (limit, trace) = (options.start_timeout.unwrap_or(DEFAULT_TIMEOUT), Trace(options.trace));
    let launch = Launch { signals: launcher_signals, pid_file, created_logs, limit, trace, client };
    let (launcher, pid_file) = launch::detach(launch)?;

    let in_daemon = || {
        // Step 10. The files of the start have modes of their own, whatever the mask is.
        directory::set_umask(options.umask.unwrap_or(DEFAULT_UMASK));
        // Step 11, while root may still change the root directory.
        directories.enter()?;
        // Step 9, for stdin. stdout and stderr follow in `let_launcher_exit`: until then a failed start is seen at the terminal.
        streams.switch_stdin()?;
        if options.reopen_on_sighup {
            reopen::hold_sighup()?;
        }
        // Steps 2 and 3. Not earlier, as the launcher needs its own signals blocked across the fork.
        signals::reset_inherited(&inherited().signals, &mask, &sigchld)?;
        // Step 4.
        variables.remove();
        environment::pass_sockets(!sockets.is_empty());
        environment::set_user(&credentials);
        // Step 12, which needs the daemon's pid; its lock is held since before the fork.
        let ready_mark = become_daemon(pid_file)?;
        // Step 13 comes last: all the others may need root's rights.
        drop_privileges(&options, &credentials)?;
        launcher.watch_launcher()?;
        let detached = Some(Detached { launcher, streams: ManuallyDrop::new(streams), trace });
        Ok(Ready { on_ready: OnReady::new(&options, ready_mark), detached })
    };
    match in_daemon() {
        Err(error) if is_spawned => Error::exit(&error),
        ready => ready,
    }
}

/// What is left to do where a supervisor has put the process into its place.
fn start_in_foreground(options: Daemon) -> Result<Ready> {
    supervisor::notify_if_start_fails()?;
    if let Some(reason) = supervisor::reason() {
        Trace(options.trace).print_foreground(reason);
    }
    let ready_mark = become_service(&options).inspect_err(supervisor::report_failure)?;
    Ok(Ready { on_ready: OnReady::new(&options, ready_mark), detached: None })
}

fn become_service(options: &Daemon) -> Result<Option<ReadyMark>> {
    let credentials = check(options)?;
    if !credentials.is_unchanged() || options.no_new_privileges {
        // The environment changes; and the attribute of prctl(2) is the calling thread's alone.
        threads::refuse_threads()?;
    }
    supervisor::connect()?;
    let directories = Directories::open(options.chroot.as_deref(), options.chdir.as_deref())?;
    // As in the background: until their handlers are installed, the pid file would stay.
    let _blocked = BlockedSignals::block(&SigSet::from_iter(termination::TERMINATION_SIGNALS))?;
    if let Some(path) = &options.pid_file {
        let wanted = [&options.stdin, &options.stdout, &options.stderr];
        streams::refuse_pid_file_in_foreground(path, wanted)?;
    }
    let pid_file = lock_pid_file(options, &credentials)?;
    directory::set_umask(options.umask.unwrap_or(DEFAULT_UMASK));
    directories.enter()?;
    if options.reopen_on_sighup {
        reopen::hold_sighup()?;
    }
    environment::set_user(&credentials);
    let ready_mark = become_daemon(pid_file)?;
    drop_privileges(options, &credentials)?;
    Ok(ready_mark)
}

/// Checks that the options are possible here. Nothing has changed yet.
fn check(options: &Daemon) -> Result<Credentials> {
    options.check()?;
    // Before a file of ours can get one of these numbers.
    descriptors::check_open(&options.keep_fds)?;
    Credentials::look_up(options.user.as_ref(), options.group.as_ref())
}

fn lock_pid_file(options: &Daemon, credentials: &Credentials) -> Result<Option<PidFile>> {
    let lock = |path| PidFile::lock(path, options.chroot.as_deref(), credentials);
    options.pid_file.as_deref().map(lock).transpose()
}

/// Makes this process the daemon, whose pid is in the file, and which removes that at its end.
fn become_daemon(pid_file: Option<PidFile>) -> Result<Option<ReadyMark>> {
    mark_as_daemon()?;
    let ready_mark = pid_file.map(PidFile::publish).transpose()?;
    if ready_mark.is_some() || process::id() == 1 {
        termination::handle_termination()?;
    }
    Ok(ready_mark)
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
pub(crate) fn flush() -> Result<()> {
    let failed = |errno| Error::system(Step::Streams, "write what the program has printed", errno);
    let flush_stdout = || sys::retry(|| io::stdout().flush().map_err(|error| errno_of(&error)));
    if threads::is_single_threaded().unwrap_or(false) {
        flush_stdout().map_err(failed)?;
    } else {
        // Another thread may hold the lock, and std has no way to try it: so a thread waits for it, and this one only for
        // some time. What is buffered is then written by who has the lock.
        let started = Instant::now();
        // Where no thread can be had, what is buffered is written with the next line, or at the end.
        if let Ok(flush) = std::thread::Builder::new().spawn(flush_stdout) {
            while !flush.is_finished() && started.elapsed() < FLUSH_PATIENCE {
                std::thread::sleep(Duration::from_micros(100));
            }
            if flush.is_finished() {
                flush.join().unwrap_or(Ok(())).map_err(failed)?;
            }
        }
    }
    sys::flush_c_streams().map_err(failed)
}

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
    on_ready: OnReady,
    /// `None` in the foreground.
    detached: Option<Detached>,
}

/// What is done when the daemon is ready, in the background and in the foreground.
#[derive(Debug)]
struct OnReady {
    reopen_on_sighup: bool,
    ignore_sigchld: bool,
    ready_mark: Option<ReadyMark>,
}

#[derive(Debug)]
struct Detached {
    launcher: LauncherHandle,
    /// Stays open in a main that drops its `Ready`, and may have other files at these numbers.
    streams: ManuallyDrop<Streams>,
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
        let Ready { on_ready, detached } = self;
        let told = match detached {
            Some(detached) => detached.let_launcher_exit(&on_ready),
            None => on_ready.tell_supervisor(),
        };
        told.unwrap_or_else(|error| error.exit());
        thread::daemon_is_ready();
    }
}

impl Detached {
    /// Takes the streams from the launcher, and lets it exit: step 9 for stdout and stderr, and step 14.
    fn let_launcher_exit(self, on_ready: &OnReady) -> Result<()> {
        let Detached { launcher, streams, trace } = self;
        launcher.check_channel()?;
        streams::open_closed()?;
        flush()?;
        let old_stderr = streams.switch_output()?;
        let told = ManuallyDrop::into_inner(streams)
            .close()
            .and_then(|logs| on_ready.set_sigchld_and_mark().map(|()| logs))
            .and_then(|logs| launcher.report_ready(trace.is_on()).map(|()| logs));
        match told {
            Ok(logs) => on_ready.begin_reopening(OnSighup { logs, notify_socket: None }),
            Err(error) => {
                // Where the launcher's stderr is out of reach, its exit code still tells.
                let _ = dup2_stderr(&old_stderr);
                return Err(error);
            }
        }
        trace.print_last_row("both parents gone", &old_stderr);
        // The launcher has exited with 0: there is nobody to tell, and the same call has worked for other descriptors.
        let _ = sys::close(old_stderr);
        Ok(())
    }
}

impl OnReady {
    fn new(options: &Daemon, ready_mark: Option<ReadyMark>) -> Self {
        let Daemon { reopen_on_sighup, ignore_sigchld, .. } = *options;
        OnReady { reopen_on_sighup, ignore_sigchld, ready_mark }
    }

    fn tell_supervisor(&self) -> Result<()> {
        let reload_socket = || {
            self.set_sigchld_and_mark()?;
            // Before READY=1, which gives the socket up.
            supervisor::reload_socket()
        };
        let notify_socket = reload_socket().inspect_err(supervisor::report_failure)?;
        supervisor::report_ready()?;
        self.begin_reopening(OnSighup { notify_socket, ..OnSighup::default() });
        Ok(())
    }

    fn set_sigchld_and_mark(&self) -> Result<()> {
        if self.ignore_sigchld {
            signals::ignore_sigchld()?;
        }
        self.ready_mark.as_ref().map_or(Ok(()), ReadyMark::set)
    }

    /// Comes after the daemon is known to be ready: a SIGHUP that was held is a reload, and nothing of the start.
    fn begin_reopening(&self, on_sighup: OnSighup) {
        if self.reopen_on_sighup {
            reopen::begin(on_sighup);
        }
    }
}
