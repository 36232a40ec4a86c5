//! A TCP server with all that a service needs: start, stop, status, reload and restart, a log, and a graceful end.
//!
//! `echo-server --pid-file /tmp/echo.pid --log /tmp/echo.log` starts it, `echo-server stop --pid-file /tmp/echo.pid` is its
//! end.

mod args;
mod control;
mod server;

use std::io;

use clap::Parser;
use daemon_runtime::{Ready, daemon, supervised};

use crate::args::Args;
use crate::server::Server;

#[daemon(
    setup = prepare(),
    foreground = args.foreground || supervised(),
    pid_file = args.pid_file,
    stdout = args.log,
    stderr = args.log,
    reopen_on_sighup,
    user = args.user,
)]
fn main((args, server): (Args, Server), ready: Ready) -> io::Result<()> {
    let signals = server::signals()?;
    println!("listening on {}", server.address()?);
    ready.notify();
    server.serve(signals)
}

/// At the terminal: the arguments, every command but the start, and all that may go wrong or needs root's rights.
fn prepare() -> (Args, Server) {
    let args = Args::parse();
    control::run(&args);
    match Server::prepare(&args) {
        Ok(server) => (args, server),
        Err(error) => control::fail(1, error),
    }
}
