//! What the crate does on Windows: the program stays in the foreground. What can be left out is left out; for the rest the start
//! fails.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fmt, io};

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::report::report;
use crate::{Daemon, State, thread};

const NO_UNIX: &str = "this system is no Unix";

pub(crate) fn note_inherited() {}

pub(crate) fn journal_priority() -> &'static str {
    ""
}

pub(crate) fn advice_for(_: &io::Error, _: ErrorKind) -> &'static str {
    "correct the path, or create what is missing"
}

/// Returns true: on this system a program stays in the foreground.
pub fn supervised() -> bool {
    true
}

/// Stays in the foreground, says so, and goes on.
pub(crate) fn start(options: &Daemon) -> Result<Ready> {
    options.check()?;
    let needed = [
        (options.foreground == Some(false), "detach"),
        (options.user.is_some() || options.group.is_some(), "change the user or the group"),
        (options.chroot.is_some(), "change the root directory"),
        (options.no_new_privileges, "set no_new_privileges"),
    ];
    if let Some((_, what)) = needed.into_iter().find(|(is_set, _)| *is_set) {
        return Err(unsupported(Step::Options, what).advise("leave the option out, or run it on a Unix"));
    }
    let directory = options.chdir.as_deref().unwrap_or(Path::new("/"));
    env::set_current_dir(directory)
        .or_fail(Step::Directory, format_args!("change directory to {}", directory.display()))?;
    report(&format_args!("{NO_UNIX}: the program stays in the foreground, without umask, pid_file and no_core_dumps"));
    Ok(Ready(()))
}

pub(crate) fn spawn(options: &Daemon) -> Result<Spawned> {
    options.check()?;
    Err(unsupported(Step::Launch, "start a daemon").advise("run the server in the foreground"))
}

fn unsupported(step: impl Into<Option<Step>>, what: impl fmt::Display) -> Error {
    Error::new(step, ErrorKind::Unsupported, what, NO_UNIX)
}

/// Reports that the daemon is ready.
#[derive(Debug)]
#[must_use = "the launcher waits until `notify` is called"]
pub struct Ready(());

impl Ready {
    /// Reports that the daemon is ready. On this system nobody waits for that.
    pub fn notify(self) {
        thread::daemon_is_ready();
    }
}

/// Where [`Daemon::spawn`] has returned.
#[derive(Debug)]
pub enum Spawned {
    /// In the process that called it.
    Launcher(u32),
    /// In the daemon.
    Daemon(Ready),
}

/// A daemon, seen from another process by its pid file. On this system each method is an error.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Instance {
    pid_file: PathBuf,
}

macro_rules! unsupported_methods {
    ($($name:ident($($argument:ident: $type:ty)?) -> $result:ty;)*) => {$(
        /// Returns an error of the kind [`Unsupported`](ErrorKind::Unsupported).
        ///
        /// # Errors
        ///
        /// Always.
        pub fn $name(&self $(, $argument: $type)?) -> Result<$result> {
            $(let _ = $argument;)?
            Err(unsupported(None, format_args!("find {self}")).advise("ask on a Unix"))
        }
    )*};
}

impl Instance {
    /// Names the daemon with this pid file.
    pub fn at(pid_file: impl AsRef<Path>) -> Self {
        Instance { pid_file: pid_file.as_ref().to_owned() }
    }

    unsupported_methods! {
        pid() -> Option<u32>;
        is_stale() -> bool;
        state() -> State;
        is_ready() -> bool;
        wait_until_ready(timeout: Duration) -> ();
        wait_until_stopped(timeout: Duration) -> ();
        signal(signal: i32) -> ();
        reload() -> ();
        stop(timeout: Duration) -> ();
        stop_or_kill(timeout: Duration) -> ();
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the daemon with pid file {}", self.pid_file.display())
    }
}
