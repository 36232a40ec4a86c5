//! The client, which starts the server if there is none.

use std::error::Error;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};
use std::{process, thread};

use daemon_runtime::{Daemon, ErrorKind, Instance, Spawned};

use crate::place::Place;
use crate::server;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long the client tries to reach a server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends a line, and returns the answer.
pub(crate) fn request(place: &Place, idle: Duration, line: &str) -> Result<String> {
    let started = Instant::now();
    loop {
        // A server that ends just now, because nobody has asked for a while, may take the connection and close it.
        let answered = match UnixStream::connect(&place.socket) {
            Ok(server) => ask(server, line),
            Err(_) => start_server(place, idle).and_then(|()| ask(UnixStream::connect(&place.socket)?, line)),
        };
        match answered {
            Ok(answer) if !answer.is_empty() => return Ok(answer),
            Err(error) if started.elapsed() > PATIENCE => return Err(error),
            Ok(_) | Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn ask(mut server: UnixStream, line: &str) -> Result<String> {
    server.write_all(line.as_bytes())?;
    server.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    server.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Starts the server, or waits for the one that another client has just started.
fn start_server(place: &Place, idle: Duration) -> Result<()> {
    match Daemon::new().pid_file(&place.pid_file).stderr(&place.log).spawn() {
        Ok(Spawned::Launcher(_)) => Ok(()),
        Ok(Spawned::Daemon(ready)) => {
            let code = server::serve(place, idle, ready).map_or_else(
                |error| {
                    eprintln!("agent: {error}");
                    1
                },
                |()| 0,
            );
            process::exit(code)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyRunning => {
            Ok(Instance::at(&place.pid_file).wait_until_ready(PATIENCE)?)
        }
        Err(error) => Err(error.into()),
    }
}
