//! The client, which starts the server if there is none.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::process;
use std::time::{Duration, Instant};

use daemon_runtime::{Daemon, Instance, Ready, Spawned};

use crate::place::Place;
use crate::server;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// How long the client tries to reach a server.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a line, and returns the answer.
pub(crate) fn request(place: &Place, idle: Duration, line: &str) -> Result<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A server that ends just now, because nobody has asked for a while, may take the connection and close it.
        match connect(place, idle, deadline).and_then(|server| Ok(ask(server, line)?)) {
            Ok(answer) if !answer.is_empty() => return Ok(answer),
            Ok(_) if Instant::now() > deadline => return Err("the server closes its connections".into()),
            Ok(_) => {}
            Err(error) => return Err(error),
        }
    }
}

fn ask(mut server: UnixStream, line: &str) -> io::Result<String> {
    let mut answer = String::new();
    let asked = server
        .write_all(line.as_bytes())
        .and_then(|()| server.shutdown(Shutdown::Write))
        .and_then(|()| server.read_to_string(&mut answer));
    match asked {
        // It has ended before it has read the line.
        Err(error) if [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&error.kind()) => Ok(String::new()),
        asked => asked.map(|_| answer),
    }
}

/// Connects to the server, which is started if there is none.
fn connect(place: &Place, idle: Duration, deadline: Instant) -> Result<UnixStream> {
    let left = || deadline.saturating_duration_since(Instant::now());
    loop {
        match UnixStream::connect(&place.socket) {
            Ok(server) => return Ok(server),
            Err(error) if left().is_zero() => return Err(error.into()),
            Err(_) => {}
        }
        match Daemon::new().pid_file(&place.pid_file).stderr(&place.log).spawn() {
            Ok(Spawned::Launcher(_)) => continue,
            Ok(Spawned::Daemon(ready)) => serve(place, idle, ready),
            Err(error) if error.kind() == daemon_runtime::ErrorKind::AlreadyRunning => {}
            Err(error) => return Err(error.into()),
        }
        // Another client has just started it; or it is on its way out, and answers no more.
        let server = Instance::at(&place.pid_file);
        match server.wait_until_ready(left()) {
            Err(error) if error.kind() == daemon_runtime::ErrorKind::NotRunning => continue,
            waited => waited?,
        }
        match UnixStream::connect(&place.socket) {
            Ok(connection) => return Ok(connection),
            Err(_) => server.wait_until_stopped(left())?,
        }
    }
}

/// Is the server, to its end.
fn serve(place: &Place, idle: Duration, ready: Ready) -> ! {
    match server::serve(place, idle, ready) {
        Ok(()) => process::exit(0),
        Err(error) => {
            eprintln!("agent: {error}");
            process::exit(1)
        }
    }
}
