//! Systems other than Linux: the same interface, and the program stays in the foreground.
//!
//! So it can be developed there. What a program must be able to rely on, as that it is another user, is an error; what is left
//! out is said in one line.

use std::borrow::Cow;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Step};
use crate::report::report;
use crate::{Daemon, Stream, thread};

const NO_LINUX: &str = "this system is not Linux";

pub(crate) fn note_inherited() {}

pub(crate) fn notify_if_start_fails() -> Result<()> {
    Ok(())
}

pub(crate) fn journal_priority() -> &'static str {
    ""
}

/// Returns true: on this system a program stays in the foreground.
pub fn supervised() -> bool {
    true
}

/// Stays in the foreground, says so, and goes on.
pub(crate) fn start(options: Daemon) -> Result<Ready> {
    options.check()?;
    if options.foreground == Some(false) {
        return Err(
            unsupported(Step::Launch, "use foreground = false").advise("leave the option out, or run it on Linux")
        );
    }
    let required = [
        (options.user.is_some() || options.group.is_some(), "change the user or the group"),
        (options.chroot.is_some(), "change the root directory"),
        (options.no_new_privileges, "set no_new_privileges"),
    ];
    if let Some((_, what)) = required.into_iter().find(|(is_set, _)| *is_set) {
        let error = Error::new(Step::Privileges, ErrorKind::NotPermitted, what, NO_LINUX);
        return Err(error.advise("leave the option out, or run it on Linux"));
    }
    let directory = options.chdir.as_deref().unwrap_or(Path::new("/"));
    env::set_current_dir(directory).map_err(|error| {
        let what = format!("change directory to {}", directory.display());
        Error::new(Step::Directory, ErrorKind::System, what, error.to_string())
            .with_errno(error.raw_os_error().unwrap_or(0))
            .advise("correct the path, or create what is missing")
    })?;
    let left_out = [
        (options.umask.is_some(), "umask"),
        (options.ignore_sigchld, "ignore_sigchld"),
        (options.pid_file.is_some(), "pid_file"),
        (options.stdin != Stream::Null, "stdin"),
        (options.stdout != Stream::Null, "stdout"),
        (options.stderr != Stream::Null, "stderr"),
        (options.reopen_on_sighup, "reopen_on_sighup"),
        (options.no_core_dumps, "no_core_dumps"),
        (!options.keep_fds.is_empty(), "keep_fds"),
        (options.keep_env.is_some(), "keep_env"),
        (options.start_timeout.is_some(), "start_timeout"),
        (options.trace, "trace"),
    ];
    let left_out: Vec<&str> = left_out.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect();
    let without = if left_out.is_empty() { String::new() } else { format!(", without {}", left_out.join(", ")) };
    report(&format!("{NO_LINUX}: the program stays in the foreground{without}"));
    Ok(Ready(()))
}

pub(crate) fn spawn(options: Daemon) -> Result<Spawned> {
    options.check()?;
    Err(unsupported(Step::Launch, "start a daemon").advise("run the server in the foreground"))
}

fn unsupported<'a>(step: impl Into<Option<Step>>, what: impl Into<Cow<'a, str>>) -> Error {
    Error::new(step, ErrorKind::Unsupported, what, NO_LINUX)
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
            let what = format!("find a daemon by pid file {}", self.pid_file.display());
            Err(unsupported(None, what).advise("ask on Linux"))
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
        is_ready() -> bool;
        wait_until_ready(timeout: Duration) -> ();
        signal(signal: i32) -> ();
        reload() -> ();
        stop(timeout: Duration) -> ();
        stop_or_kill(timeout: Duration) -> ();
    }
}

impl std::fmt::Display for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the daemon with pid file {}", self.pid_file.display())
    }
}
