//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Sends back whatever it receives.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Where to listen, unless systemd passes a socket
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "127.0.0.1:7007")]
    pub(crate) listen: String,

    /// What every client is sent first; read again on reload
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) greeting: Option<PathBuf>,

    /// Allows one instance, and is how the other commands find it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) pid_file: Option<PathBuf>,

    /// Log file; reopened on reload, for logrotate
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// The user to become, when started as root
    #[arg(long, global = true)]
    pub(crate) user: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Subcommand)]
pub(crate) enum Command {
    /// Start in the background; the command that is done if none is given
    Start,
    /// Run in the foreground
    Run,
    /// Stop, and wait until it has ended
    Stop,
    /// Tell whether it runs: exit code 0, 1 if it was killed, 3 if not
    Status,
    /// Read the greeting again, and reopen the log
    Reload,
    /// Stop, if it runs, and start
    Restart,
    /// Print the log, by tail(1)
    Logs {
        /// Go on as it grows, also in the file that a rotation puts in its place
        #[arg(long)]
        follow: bool,
    },
}

impl Args {
    pub(crate) fn verb(&self) -> Command {
        self.command.unwrap_or(Command::Start)
    }
}
