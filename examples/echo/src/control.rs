//! The commands for a daemon that runs, with the exit codes of the Linux Standard Base for init scripts.

use std::fmt::Display;
use std::process;
use std::time::Duration;

use daemon_runtime::{Error, Instance};

use crate::args::{Args, Command};

/// Does the command and exits, unless it is one that goes on with the start.
pub(crate) fn run(args: &Args) {
    // Every command but `start` requires it.
    let Some(pid_file) = &args.pid_file else { return };
    let daemon = Instance::at(pid_file);
    let done = match args.command {
        // Asked here, so that a second start does not first find its address in use.
        Command::Start => match daemon.pid() {
            Ok(Some(pid)) => say(format!("already running as process {pid}")),
            // What is wrong with the file the start will tell.
            _ => return,
        },
        Command::Restart => match stop(&daemon) {
            Ok(()) => return,
            failed => failed,
        },
        Command::Stop => stop(&daemon),
        Command::Reload => daemon.reload(),
        Command::Status => process::exit(status(&daemon)),
    };
    match done {
        Ok(()) => process::exit(0),
        Err(error) => fail(code(&error), error),
    }
}

/// It is no failure that there is nothing to stop.
fn stop(daemon: &Instance) -> Result<(), Error> {
    match daemon.pid()? {
        None => say("not running".into()),
        Some(pid) => {
            // More than it gives its clients.
            daemon.stop_or_kill(Duration::from_secs(10))?;
            say(format!("stopped process {pid}"))
        }
    }
}

fn status(daemon: &Instance) -> i32 {
    let (code, text) = match (daemon.pid(), daemon.is_stale()) {
        (Ok(Some(pid)), _) => (0, format!("running as process {pid}")),
        (Ok(None), Ok(true)) => (1, "dead, and its pid file is left".into()),
        (Ok(None), Ok(false)) => (3, "not running".into()),
        (Err(error), _) | (_, Err(error)) => (4, error.to_string()),
    };
    println!("{text}");
    code
}

/// For all commands but `status`.
fn code(error: &Error) -> i32 {
    match error.exit_code() {
        69 => 7, // not running
        77 => 4, // not permitted
        _ => 1,
    }
}

fn say(text: String) -> Result<(), Error> {
    println!("{text}");
    Ok(())
}

pub(crate) fn fail(code: i32, error: impl Display) -> ! {
    eprintln!("echo-server: {error}");
    process::exit(code)
}
