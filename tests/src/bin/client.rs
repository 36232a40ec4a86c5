//! A client that starts its own server, by the examples in the documentation of `Daemon::spawn`.
//!
//! `client DIRECTORY pid` prints the server's pid; `client DIRECTORY quit` ends the server, which closes its socket at once, and
//! takes as long as `DAEMON_LINGER` for the rest; `client DIRECTORY port` prints what a server says before it is
//! ready, and what one answers by that. `DAEMON_PATIENCE` is how long it tries; both times are in milliseconds.

use std::error::Error;
use std::io::{ErrorKind as IoErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use daemon_runtime::{Daemon, ErrorKind, Instance, Ready, Spawned};
use tests::fixture::time;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let words: Vec<String> = env::args().skip(1).collect();
    let [directory, request] = &words[..] else { return Err("a directory and a request".into()) };
    let mut answer = String::new();
    if request == "port" {
        let port = start_server()?;
        TcpStream::connect(("127.0.0.1", port))?.read_to_string(&mut answer)?;
    } else {
        let directory = Path::new(directory);
        let patience = time("patience").unwrap_or(Duration::from_secs(20));
        let mut server = connect(&directory.join("socket"), &directory.join("pid"), patience)?;
        server.write_all(request.as_bytes())?;
        server.shutdown(Shutdown::Write)?;
        server.read_to_string(&mut answer)?;
    }
    println!("{answer}");
    Ok(())
}

/// Connects to the server, which is started if there is none, within `patience`.
fn connect(socket: &Path, pid_file: &Path, patience: Duration) -> Result<UnixStream> {
    let deadline = Instant::now() + patience;
    let left = || deadline.saturating_duration_since(Instant::now());
    loop {
        match UnixStream::connect(socket) {
            Ok(connection) => return Ok(connection),
            Err(error) if left().is_zero() => return Err(error.into()),
            Err(_) => {}
        }
        match Daemon::new().pid_file(pid_file).spawn() {
            Ok(Spawned::Daemon(ready)) => serve(socket, ready),
            Ok(Spawned::Launcher(_)) => continue, // The server is ready.
            Err(error) if error.kind() == ErrorKind::AlreadyRunning => {}
            Err(error) => return Err(error.into()),
        }
        // Another client has just started it; or it is on its way out, and answers no more.
        let server = Instance::at(pid_file);
        match server.wait_until_ready(left()) {
            Err(error) if error.kind() == ErrorKind::NotRunning => continue,
            waited => waited?,
        }
        match UnixStream::connect(socket) {
            Ok(connection) => return Ok(connection),
            Err(_) => server.wait_until_stopped(left())?,
        }
    }
}

/// Serves until it is told to end.
fn serve(socket: &Path, ready: Ready) -> ! {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != IoErrorKind::NotFound => panic!("{}: {error}", socket.display()),
        _ => {}
    }
    let listener = UnixListener::bind(socket).expect("nobody else binds it");
    ready.notify();
    loop {
        let (mut client, _) = listener.accept().expect("a connection");
        let mut request = String::new();
        // A client that has gone needs no answer.
        let _ = client.read_to_string(&mut request);
        if request == "quit" {
            drop(listener);
            fs::remove_file(socket).expect("it is this server's");
            let _ = client.write_all(b"bye");
            drop(client);
            thread::sleep(time("linger").unwrap_or_default());
            process::exit(0)
        }
        let _ = write!(client, "{}", process::id());
    }
}

/// Starts a server, which tells its port before it is ready.
fn start_server() -> Result<u16> {
    let (mut ours, mut its) = UnixStream::pair()?;
    match Daemon::new().spawn()? {
        Spawned::Daemon(ready) => {
            let listener = TcpListener::bind("127.0.0.1:0")?;
            its.write_all(&listener.local_addr()?.port().to_be_bytes())?;
            drop((ours, its));
            ready.notify();
            serve_port(listener)
        }
        Spawned::Launcher(_) => {
            let mut port = [0; 2];
            ours.read_exact(&mut port)?;
            Ok(u16::from_be_bytes(port))
        }
    }
}

fn serve_port(listener: TcpListener) -> ! {
    for client in listener.incoming() {
        client.and_then(|mut client| write!(client, "{}", process::id())).expect("a client that waits for it");
    }
    process::exit(0)
}
