//! The steps in order. The numbers are those of daemon(7), "SysV Daemons".
//!
//! In the foreground a supervisor has put the process into its place. So a start leaves out there:
//!
//! | step | what stays |
//! | --- | --- |
//! | 1 | inherited descriptors |
//! | 2, 3 | ignored and blocked signals |
//! | 4 | the environment, but for the names of `user` |
//! | 5 to 8 | the process, its session and its terminal |
//! | 9 | standard input, output and error, and so `reopen_on_sighup` reopens nothing |
//! | 10, 11 | mask and working directory, but for what `umask`, `chdir` and `chroot` say |
//!
//! and threads are refused only where the user changes, or by `no_new_privileges`, which holds for one thread.

use std::ops::Range;
use std::os::fd::RawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use nix::unistd::getpid;

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::inherited::inherited;
use crate::launch::{Launcher, Link, Process, fork_twice};
use crate::ready::{Ready, Waiting};
use crate::step::credentials::Credentials;
use crate::step::directory::Directories;
use crate::step::environment::{self, Unwanted};
use crate::step::pid_file::{self, PidFile};
use crate::step::signals::{BlockedSignals, InheritedSignals, handle_termination};
use crate::step::streams::{Streams, flush};
use crate::step::threads::refuse_threads;
use crate::step::{descriptors, limits, path, reopen};
use crate::supervisor::{self, Supervisor};
use crate::trace::Trace;
use crate::{Daemon, Stream, sys};

const DEFAULT_UMASK: u32 = 0o022;
pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(90);

/// The process that is the daemon.
static DAEMON: AtomicI32 = AtomicI32::new(0);

/// What is open and decided before the fork. What the foreground leaves out is `None` or empty here.
struct Start<'a> {
    options: &'a Daemon,
    credentials: Credentials,
    directories: Directories<'a>,
    streams: Streams,
    /// Removed, if the start fails, before a signal that was blocked can end the process: so this is dropped first.
    pid_file: Option<PidFile>,
    signals: BlockedSignals,
    variables: Option<Unwanted<'a>>,
}

/// Turns this process into the daemon that the options describe.
pub(crate) fn start(options: &Daemon) -> Result<Ready> {
    let is_foreground = options.foreground.unwrap_or_else(supervisor::supervised);
    // As a launcher the daemon would end. In the foreground a second start harms nobody, unless there is a pid file to keep.
    if DAEMON.load(Ordering::Relaxed) == getpid().as_raw() && (!is_foreground || pid_file::is_kept()) {
        let why = "this process is a daemon already";
        return Err(Error::new(Step::Launch, ErrorKind::Misuse, "start the daemon", why).advise("start it once only"));
    }
    if is_foreground { start_in_foreground(options) } else { start_in_background(options, None) }
}

/// Detaches. Only the daemon returns; or the launcher, with an error, if nothing could be forked. With a `client`, which is
/// told how the start has ended, an error never returns from the daemon: the program would take that for its client.
pub(crate) fn start_in_background(options: &Daemon, client: Option<&UnixStream>) -> Result<Ready> {
    let start = Start::prepare(options, client.is_some())?;
    // Steps 5 to 8: fork, setsid, fork, exit.
    match fork_twice(options.start_timeout.unwrap_or(DEFAULT_TIMEOUT), Trace(options.trace), client)? {
        Process::Launcher(launcher) => wait_until_ready(launcher, start),
        Process::Daemon(link) => match start.become_daemon(Some(link)) {
            Err(error) if client.is_some() => error.exit(),
            ready => ready,
        },
    }
}

/// Waits in the launcher until the daemon is ready, or clears away what is left of the start.
fn wait_until_ready(mut launcher: Launcher, start: Start) -> ! {
    match launcher.wait_until_ready() {
        Ok(()) => launcher.exit_well(),
        Err(reason) => {
            launcher.end_processes(&reason);
            drop(start);
            launcher.exit_after(reason)
        }
    }
}

/// Stays the process that a supervisor has started, and tells that of an error.
fn start_in_foreground(options: &Daemon) -> Result<Ready> {
    if let Some(reason) = supervisor::initial().reason {
        Trace(options.trace).print_foreground(reason);
    }
    // Before the root directory or the user changes, which may put it out of reach.
    let supervisor = Supervisor::connect()?;
    let started = Start::prepare_in_foreground(options).and_then(|start| start.become_daemon(None));
    match (started, supervisor) {
        (Ok(mut ready), Some(supervisor)) => {
            ready.waiting = Waiting::Supervisor(supervisor);
            Ok(ready)
        }
        (Err(error), Some(supervisor)) => {
            supervisor.report_failure(&error);
            Err(error)
        }
        (started, None) => started,
    }
}

impl<'a> Start<'a> {
    /// Does, in the launcher, almost all that can fail on what the user of the program chose: so it is said at the terminal.
    fn prepare(options: &'a Daemon, is_spawned: bool) -> Result<Self> {
        let credentials = check(options)?;
        // After the lookup of names: a library that does it may start one.
        if !options.may_have_threads {
            refuse_threads()?;
        }
        let mask = options.umask.unwrap_or(DEFAULT_UMASK);
        let working_dir = options.chdir.as_deref().unwrap_or(Path::new("/"));
        let directories = Directories::open(Some(mask), options.chroot.as_deref(), Some(working_dir))?;
        let logs = [&options.stdout, &options.stderr].map(|log| (Step::Streams, log.path()));
        create_directories(options, &credentials, &[logs[0], logs[1], (Step::PidFile, options.pid_file.as_deref())])?;
        let streams = Streams::open(options.streams(), options.chroot.as_deref(), &credentials)?;
        // While a signal can still end this process: a pipe that nobody reads would hold it for ever.
        flush()?;
        let signals = inherited().signals.as_ref().map_err(|errno| *errno);
        let signals = signals.or_fail(Step::Signals, "look at the signals that the program was started with")?;
        // Before there is a pid file, which a Ctrl-C must not leave behind.
        let signals = BlockedSignals::block(signals.clone())?;
        let pid_file = lock_pid_file(options, &credentials)?;
        // Step 1. What a service manager has passed to a client is for that.
        let sockets = if is_spawned { 0..0 } else { supervisor::initial().sockets.clone() };
        find_unwanted_descriptors(options, sockets)?.into_iter().for_each(sys::close_inherited);
        let variables = Unwanted::find(options.keep_env.as_deref(), &credentials, is_spawned);
        // Before the launch saves the program's actions and puts them back: then it cannot be told any more who has set them.
        signals.stop_ignoring_children()?;
        Ok(Start { options, credentials, directories, streams, pid_file, signals, variables: Some(variables) })
    }

    fn prepare_in_foreground(options: &'a Daemon) -> Result<Self> {
        let credentials = check(options)?;
        if !options.may_have_threads && (!credentials.is_unchanged() || options.no_new_privileges) {
            refuse_threads()?;
        }
        let directories = Directories::open(options.umask, options.chroot.as_deref(), options.chdir.as_deref())?;
        create_directories(options, &credentials, &[(Step::PidFile, options.pid_file.as_deref())])?;
        let signals = BlockedSignals::block(InheritedSignals::none())?;
        let pid_file = lock_pid_file(options, &credentials)?;
        let streams = Streams::default();
        Ok(Start { options, credentials, directories, streams, pid_file, signals, variables: None })
    }

    /// Makes this process the daemon, in the background and in the foreground.
    fn become_daemon(self, link: Option<Link>) -> Result<Ready> {
        // Dropped from the end: after an error the pid file goes before a signal that was blocked can end this process.
        let Start { options, credentials, directories, mut streams, signals, pid_file, variables } = self;
        // Steps 10 and 11, while root may still change the root directory. The files of the start have modes of their own, whatever the
        // mask is.
        directories.enter()?;
        // Step 9, for stdin. stdout and stderr follow in `notify`: until then a failed start is seen at the terminal.
        streams.switch_input()?;
        // Step 2.
        signals.stop_ignoring()?;
        // Step 4.
        variables.into_iter().for_each(Unwanted::remove);
        environment::set_user(&credentials);
        // Before the pid is there, which anybody may send a signal to.
        if options.reopen_on_sighup {
            reopen::hold_sighup()?;
        }
        if pid_file.is_some() || getpid().as_raw() == 1 {
            handle_termination()?;
        }
        // Step 12, which needs the daemon's pid; its lock is held since before the fork.
        DAEMON.store(getpid().as_raw(), Ordering::Relaxed);
        let pid_file = pid_file.map(PidFile::publish).transpose()?;
        // Step 13 comes last: all the others may need root's rights.
        credentials.drop_privileges()?;
        if options.no_new_privileges {
            limits::forbid_new_privileges()?;
        }
        if options.no_core_dumps {
            limits::forbid_core_dumps()?;
        }
        // Step 3: what has come since the launcher has blocked signals comes now, and removes the pid file.
        signals.unblock()?;
        // Step 14 is `notify`, and step 15 the launcher's.
        Ok(Ready::new(options, streams, pid_file, link))
    }
}

/// Finds what was inherited and nobody wants, in a process that loses no record lock by a fork.
pub(crate) fn find_unwanted_descriptors(options: &Daemon, sockets: Range<RawFd>) -> Result<Vec<RawFd>> {
    // What is wanted as a stream has an owner, who closes it.
    let owned = options.streams().into_iter().filter_map(Stream::descriptor);
    let keep: Vec<_> = sockets.chain(options.keep_fds.iter().copied()).chain(owned).collect();
    let unwanted = descriptors::find_inherited(&inherited().descriptors, &keep)?;
    descriptors::refuse_record_locks(&unwanted)?;
    Ok(unwanted)
}

/// Checks that the options are possible here. Nothing has changed yet.
fn check(options: &Daemon) -> Result<Credentials> {
    options.check()?;
    if options.no_new_privileges && !sys::HAS_NO_NEW_PRIVILEGES {
        let why = format!("it is not to be had on {}", std::env::consts::OS);
        return Err(Error::new(Step::Privileges, ErrorKind::Unsupported, "set no_new_privileges", why)
            .advise("leave the option out"));
    }
    // Before a file of ours can get one of these numbers.
    descriptors::check_open(&options.keep_fds)?;
    Credentials::look_up(options.user.as_ref(), options.group.as_ref())
}

/// Creates the missing directories of the files that the steps open, if that was asked for. The shortest path comes first: its
/// directory, which is wanted away, may be one of those above another file.
fn create_directories(options: &Daemon, credentials: &Credentials, files: &[(Step, Option<&Path>)]) -> Result<()> {
    if !options.create_directories {
        return Ok(());
    }
    let mut files: Vec<(Step, &Path)> = files.iter().filter_map(|(step, file)| Some((*step, (*file)?))).collect();
    // One by one, as a sort of three paths would be as much code again as the rest of this step.
    let length = |(_, file): &(Step, &Path)| std::path::absolute(file).map_or(0, |file| file.components().count());
    while let Some(at) = (0..files.len()).min_by_key(|at| length(&files[*at])) {
        let (step, file) = files.remove(at);
        path::create_directories(file, credentials.who(), |directory| credentials.give_file(directory))
            .or_fail(step, format_args!("create the directory of {}", file.display()))?;
    }
    Ok(())
}

fn lock_pid_file(options: &Daemon, credentials: &Credentials) -> Result<Option<PidFile>> {
    let lock = |path| PidFile::lock(path, options.chroot.as_deref(), credentials);
    options.pid_file.as_deref().map(lock).transpose()
}
