//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Sends back whatever it receives.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    #[arg(value_enum, default_value = "start")]
    pub(crate) command: Command,

    /// Where to listen, unless systemd passes a socket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7007")]
    pub(crate) listen: String,

    /// What every client is sent first; read again on reload
    #[arg(long, value_name = "FILE")]
    pub(crate) greeting: Option<PathBuf>,

    /// Allows one instance, and is how the other commands find it
    #[arg(long, value_name = "FILE", required_if_eq_any = [
        ("command", "stop"), ("command", "status"), ("command", "reload"), ("command", "restart"),
    ])]
    pub(crate) pid_file: Option<PathBuf>,

    /// Log file; opened anew on reload, for logrotate
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,

    /// The user to become, when started as root
    #[arg(long)]
    pub(crate) user: Option<String>,

    /// Do not detach
    #[arg(long)]
    pub(crate) foreground: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Command {
    Start,
    Stop,
    Status,
    Reload,
    Restart,
}
