//! The commands for a daemon that runs, with the exit codes of the Linux Standard Base for init scripts.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use daemon_runtime::{Error, ErrorKind, Instance};

/// What an exit code and a line are made of.
type Done = Result<String, Error>;

/// Says what was done; for all commands but `status`.
pub(crate) fn report(done: Done) -> ExitCode {
    match done {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("echo-server: {error}");
            match error.kind() {
                ErrorKind::NotRunning => 7.into(),
                ErrorKind::NotPermitted => 4.into(),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// It is no failure that there is nothing to stop.
pub(crate) fn stop(daemon: &Instance) -> Done {
    match daemon.pid()? {
        None => Ok("not running".into()),
        Some(pid) => {
            // More than it gives its clients.
            daemon.stop_or_kill(Duration::from_secs(10))?;
            Ok(format!("stopped process {pid}"))
        }
    }
}

pub(crate) fn reload(daemon: &Instance) -> Done {
    daemon.reload().map(|()| "reloading".into())
}

/// Becomes tail(1); returns only if that cannot be.
pub(crate) fn logs(log: &Path, follow: bool) -> ExitCode {
    let lines: &[&str] = if follow { &["-n", "10", "-F"] } else { &["-n", "+1"] };
    let error = Command::new("tail").args(lines).arg("--").arg(log).exec();
    eprintln!("echo-server: cannot run tail: {error}");
    ExitCode::FAILURE
}

pub(crate) fn status(daemon: &Instance) -> ExitCode {
    let (code, text) = match (daemon.pid(), daemon.is_stale()) {
        (Ok(Some(pid)), _) => (0, format!("running as process {pid}")),
        (Ok(None), Ok(true)) => (1, "dead, and its pid file is left".into()),
        (Ok(None), Ok(false)) => (3, "not running".into()),
        (Err(error), _) | (_, Err(error)) => (4, error.to_string()),
    };
    println!("{text}");
    code.into()
}
