//! A user's own agent: client and server in one program, over a Unix socket. A client starts the server if there is none, and
//! the server ends when nobody has asked for a while.
//!
//! `agent set color blue` and then `agent get color` is all that a user does.

#[cfg(unix)]
mod client;
#[cfg(unix)]
mod place;
#[cfg(unix)]
mod server;

#[cfg(unix)]
fn main() -> std::process::ExitCode {
    use std::time::Duration;

    use clap::{Parser, Subcommand};
    use daemon_runtime::Instance;

    use crate::place::Place;

    /// Remembers values for the programs of one user.
    #[derive(Parser)]
    struct Args {
        #[command(subcommand)]
        command: Command,

        /// How many seconds without a request end the server
        #[arg(long, global = true, default_value_t = 600)]
        idle: u64,
    }

    #[derive(Subcommand)]
    enum Command {
        /// Remember a value
        Set { name: String, value: String },
        /// Print a value
        Get { name: String },
        /// Stop the server, if one runs
        Stop,
    }

    let args = Args::parse();
    let done = Place::find().and_then(|place| {
        let idle = Duration::from_secs(args.idle);
        match args.command {
            Command::Set { name, value } => client::request(&place, idle, &format!("set {name} {value}")),
            Command::Get { name } => client::request(&place, idle, &format!("get {name}")),
            Command::Stop => match Instance::at(&place.pid_file).stop(Duration::from_secs(10)) {
                Err(error) if error.kind() != daemon_runtime::ErrorKind::NotRunning => Err(error.into()),
                _ => Ok(String::new()),
            },
        }
    });
    match done {
        Ok(answer) => {
            print!("{answer}");
            std::process::ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("agent: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

#[cfg(not(unix))]
fn main() {
    eprintln!("agent: this example needs Unix sockets");
}
