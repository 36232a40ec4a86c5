//! A TCP server as a tool with verbs: start, run, stop, status, reload, restart and logs, with a log and a graceful end.
//!
//! `echo-server start --pid-file /tmp/echo.pid --log /tmp/echo.log` starts it, `echo-server stop --pid-file /tmp/echo.pid` is
//! its end.

mod args;
mod control;
mod server;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};
use daemon_runtime::{Instance, Ready, daemon, supervised};

use crate::args::{Args, Command};
use crate::server::Server;

fn main() -> ExitCode {
    let args = Args::parse();
    let daemon = args.pid_file.as_ref().map(Instance::at);
    let missing = |option| -> ! {
        let words = format!("this command needs {option} <FILE>");
        Args::command().error(ErrorKind::MissingRequiredArgument, words).exit()
    };
    let required = || daemon.clone().unwrap_or_else(|| missing("--pid-file"));
    match args.verb() {
        Command::Stop => control::report(control::stop(&required())),
        Command::Reload => control::report(control::reload(&required())),
        Command::Status => control::status(&required()),
        Command::Logs { follow } => control::logs(args.log.as_deref().unwrap_or_else(|| missing("--log")), follow),
        Command::Restart => match control::stop(&required()) {
            Ok(stopped) => {
                println!("{stopped}");
                start(&args)
            }
            failed => control::report(failed),
        },
        // Asked here, so that a second start does not first find its address in use. What is wrong with the file the start
        // will tell.
        Command::Start | Command::Run => match daemon.and_then(|daemon| daemon.pid().ok()?) {
            Some(pid) => control::report(Ok(format!("already running as process {pid}"))),
            None => start(&args),
        },
    }
}

/// At the terminal, or as root: what may go wrong, or needs root's rights.
fn start(args: &Args) -> ExitCode {
    // Before the sockets are taken, with which their variables go.
    let foreground = args.verb() == Command::Run || supervised();
    let server = Server::prepare(args);
    let served = server.and_then(|server| serve(args, server, foreground).map_err(|error| error.to_string()));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Becomes the daemon when it is called.
#[daemon(
    foreground = foreground,
    pid_file = args.pid_file,
    stdout = args.log,
    stderr = args.log,
    reopen_on_sighup,
    user = args.user,
)]
fn serve(args: &Args, server: Server, foreground: bool, ready: Ready) -> io::Result<()> {
    let signals = server::signals()?;
    println!("listening on {}", server.address()?);
    ready.notify();
    server.serve(signals)
}
