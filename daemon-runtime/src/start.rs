//! The steps in order.

use std::io::{self, Write};
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::SigSet;
use nix::unistd::dup2_stderr;

use crate::error::{Error, Result, Step, code, errno_of};
use crate::launch::{self, Launcher, Signals};
use crate::step::directory::{self, Directory};
use crate::step::pid_file::PidFile;
use crate::step::privileges::{self, Identity};
use crate::step::streams::Streams;
use crate::step::{descriptors, environment, reopen, signals, threads};
use crate::trace::Trace;
use crate::{Daemon, supervisor, sys, thread};

/// The pid of the process that has become a daemon.
static DAEMON: AtomicU32 = AtomicU32::new(0);

/// Turns this process into what is asked for.
pub(crate) fn start(asked: Daemon) -> Result<Ready> {
    let foreground = asked.foreground.unwrap_or_else(supervisor::supervised);
    let ready = if foreground { in_foreground(asked) } else { in_background(asked) }?;
    DAEMON.store(process::id(), Ordering::Relaxed);
    Ok(ready)
}

/// What is asked for is possible here. Nothing has changed yet.
fn check(asked: &Daemon) -> Result<Identity> {
    asked.check()?;
    // Before a file of ours can get one of these numbers.
    descriptors::check_open(&asked.keep_fds)?;
    let identity = Identity::resolve(asked)?;
    // After the lookup of names: a library that does it may start one.
    threads::none()?;
    Ok(identity)
}

fn in_background(mut asked: Daemon) -> Result<Ready> {
    // As a launcher it would end, and leave its pid file to nobody.
    if DAEMON.load(Ordering::Relaxed) == process::id() {
        let why = "this process is a daemon already";
        return Err(Error::new(Step::Launch, code::SOFTWARE, "start the daemon", why).advise("start it once only"));
    }
    supervisor::forget();
    // In the launcher: all that can fail on what the user gave, and can so be said at the terminal.
    let identity = check(&asked)?;
    let place = Place::open(&asked)?;
    let streams = Streams::open(&asked, &identity)?;
    // While a signal can still end this: a pipe that nobody reads would hold it for ever.
    flush()?;
    // Before there is a pid file, which a Ctrl-C must not leave behind.
    let signals = Signals::block()?;
    let pid_file = asked.pid_file.as_deref().map(|path| PidFile::lock(path, &identity)).transpose()?;
    let sockets = supervisor::passed_sockets();
    let keep = streams.fds().chain(pid_file.iter().map(PidFile::fd)).chain(place.fds()).chain(sockets.clone());
    let inherited = std::mem::replace(&mut asked.inherited, descriptors::Inherited::All);
    let keep = keep.chain([signals.fd()]).chain(asked.keep_fds.iter().copied());
    inherited.close(keep.collect())?;
    let variables = environment::Unwanted::find(asked.keep_env.as_deref());

    let (limit, trace) = (asked.start_timeout.unwrap_or(DEFAULT_TIMEOUT), Trace(asked.trace));
    let (launcher, pid_file) = launch::detach(signals, pid_file, limit, trace)?;

    // In the daemon.
    directory::set_umask(asked.umask.unwrap_or(DEFAULT_UMASK));
    place.enter()?;
    streams.switch_stdin()?;
    signals::reset()?;
    variables.clear();
    environment::pass_sockets(!sockets.is_empty());
    environment::set_user(&identity);
    own_pid_file(&asked, pid_file)?;
    confine(&asked, &identity)?;
    launcher.arm()?;
    Ok(Ready { asked, detached: Some(Detached { launcher, streams, trace }) })
}

fn in_foreground(asked: Daemon) -> Result<Ready> {
    supervisor::expect()?;
    become_foreground(&asked).inspect_err(supervisor::failed)?;
    Ok(Ready { asked, detached: None })
}

/// What is asked for without leaving the place where the supervisor put the process.
fn become_foreground(asked: &Daemon) -> Result<()> {
    let identity = check(asked)?;
    supervisor::connect()?;
    let place = Place::open(asked)?;
    // As in the background: until its end is watched, the pid file would stay.
    let _blocked = signals::Blocked::new(&SigSet::from_iter(signals::ENDS))?;
    let pid_file = asked.pid_file.as_deref().map(|path| PidFile::lock(path, &identity)).transpose()?;
    directory::set_umask(asked.umask.unwrap_or(DEFAULT_UMASK));
    place.enter()?;
    environment::set_user(&identity);
    own_pid_file(asked, pid_file)?;
    confine(asked, &identity)
}

const DEFAULT_UMASK: u32 = 0o022;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(90);

/// Where the daemon will be.
struct Place {
    root: Option<Directory>,
    chdir: Option<Directory>,
    inside: PathBuf,
}

impl Place {
    fn open(asked: &Daemon) -> Result<Self> {
        let inside = asked.chdir.clone().unwrap_or("/".into());
        if asked.chroot.is_some() {
            privileges::only_root("change the root directory")?;
        }
        let root = asked.chroot.as_deref().map(|root| Directory::open("change root directory to", root)).transpose()?;
        // Inside a new root the path names another directory.
        let chdir = match root {
            Some(_) => None,
            None => Some(Directory::open("change directory to", &inside)?),
        };
        Ok(Place { root, chdir, inside })
    }

    fn fds(&self) -> impl Iterator<Item = RawFd> {
        self.root.iter().chain(&self.chdir).map(Directory::fd)
    }

    fn enter(self) -> Result<()> {
        if let Some(root) = self.root {
            root.make_root()?;
            directory::enter(&self.inside)?;
        }
        self.chdir.map_or(Ok(()), Directory::enter)
    }
}

/// The pid file gets its content and its end.
fn own_pid_file(asked: &Daemon, pid_file: Option<PidFile>) -> Result<()> {
    let owned = pid_file.is_some();
    if let Some(pid_file) = pid_file {
        pid_file.write()?;
        pid_file.keep(asked.chroot.as_deref())?;
    }
    if owned || process::id() == 1 { signals::watch_ends() } else { Ok(()) }
}

fn confine(asked: &Daemon, identity: &Identity) -> Result<()> {
    identity.assume()?;
    if asked.no_new_privileges {
        privileges::no_new_privileges()?;
    }
    if asked.no_core_dumps {
        privileges::no_core_dumps()?;
    }
    Ok(())
}

/// Writes out what is buffered, which would otherwise appear twice, or not at all.
fn flush() -> Result<()> {
    let failed = |errno| Error::system(Step::Streams, "write what the program has printed", errno);
    sys::retry(|| io::stdout().flush().map_err(|error| errno_of(&error))).map_err(failed)?;
    sys::flush_c_streams().map_err(failed)
}

/// The right, and the duty, to say that the daemon is ready.
///
/// A main that takes it decides itself when that is; one that does not is ready as soon as its body starts. As long as
/// it is not ready, the launcher waits, and what is printed reaches the terminal. The end of the process before
/// [`notify`](Ready::notify), however it comes, is a failed start. Who drops it can never be ready: the start fails when
/// its time is over.
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
    asked: Daemon,
    detached: Option<Detached>,
}

#[derive(Debug)]
struct Detached {
    launcher: Launcher,
    streams: Streams,
    trace: Trace,
}

impl Ready {
    /// Says that the daemon is ready.
    ///
    /// Standard output and error become the log files, the launcher exits with 0, and from then on nothing of the
    /// start can fail. This returns when the launcher has gone. A step that fails in here is reported on the
    /// launcher's standard error, and ends the process, and with it the launcher, with the error's exit code.
    ///
    /// In the foreground it tells the supervisor, and changes no stream.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// let ready = daemon_runtime::Daemon::new().start()?;
    /// ready.notify();
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify(self) {
        let Ready { asked, detached } = self;
        let settled = match detached {
            Some(detached) => detached.commit(&asked),
            None => settle(&asked, None).inspect_err(supervisor::failed).and_then(|()| supervisor::ready()),
        };
        settled.unwrap_or_else(|error| error.report_and_exit());
        thread::ready();
    }
}

impl Detached {
    fn commit(self, asked: &Daemon) -> Result<()> {
        let Detached { launcher, streams, trace } = self;
        flush()?;
        let terminal = streams.switch_output()?;
        let settled = settle(asked, Some(&streams)).and_then(|()| streams.close()).and_then(|()| launcher.ready());
        if let Err(error) = settled {
            // Where the launcher's stderr is out of reach, its exit code still tells.
            let _ = dup2_stderr(&terminal);
            return Err(error);
        }
        trace.last_row("both parents gone", &terminal);
        // It worked for others, and the launcher has exited with 0.
        let _ = sys::close(terminal);
        Ok(())
    }
}

/// What comes last of all.
fn settle(asked: &Daemon, streams: Option<&Streams>) -> Result<()> {
    if asked.reopen_on_sighup {
        reopen::on_sighup(streams, asked.chroot.as_deref())?;
    }
    if asked.ignore_sigchld {
        signals::ignore_sigchld()?;
    }
    Ok(())
}
