//! The server itself.

use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, path};

use daemon_runtime::thread;
use listenfd::ListenFd;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGHUP, SIGTERM};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::args::Args;

pub(crate) type Signals = SignalDelivery<UnixStream, SignalOnly>;

/// SIGHUP and SIGTERM come out of a socket, which poll(2) can wait for.
pub(crate) fn signals() -> io::Result<Signals> {
    let (read, write) = UnixStream::pair()?;
    SignalDelivery::with_pipe(read, write, SignalOnly, [SIGHUP, SIGTERM])
}

#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    greeting: Greeting,
}

impl Server {
    pub(crate) fn prepare(args: &Args) -> Result<Server, String> {
        let listener = listen(&args.listen).map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
        Ok(Server { listener, greeting: Greeting::read(args.greeting.as_deref())? })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until SIGTERM. Who is connected then has some more seconds, as main's end waits for the workers.
    pub(crate) fn serve(mut self, mut signals: Signals) -> io::Result<()> {
        thread::limit_wait(Duration::from_secs(5));
        loop {
            wait_for(&[&self.listener, signals.get_read()])?;
            for signal in signals.pending() {
                match signal {
                    SIGHUP => self.greeting.reload(),
                    _ => {
                        eprintln!("stopping");
                        return Ok(());
                    }
                }
            }
            match self.listener.accept() {
                Ok((client, peer)) => self.start_worker(client, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    eprintln!("cannot accept a connection: {error}");
                    // Out of descriptors, most likely: it would fail again at once.
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn start_worker(&self, client: TcpStream, peer: SocketAddr) {
        let greeting = self.greeting.text.clone();
        let work = move || match echo(client, &greeting) {
            Ok(bytes) => eprintln!("{peer}: {bytes} bytes"),
            Err(error) => eprintln!("{peer}: {error}"),
        };
        if let Err(error) = thread::Builder::new().name(peer.to_string()).spawn(work) {
            eprintln!("{peer}: cannot start a thread: {error}");
        }
    }
}

fn echo(mut client: TcpStream, greeting: &[u8]) -> io::Result<u64> {
    client.write_all(greeting)?;
    io::copy(&mut client.try_clone()?, &mut client)
}

/// The socket that systemd passes, or a new one.
fn listen(address: &str) -> io::Result<TcpListener> {
    let listener = match ListenFd::from_env().take_tcp_listener(0)? {
        Some(passed) => passed,
        None => TcpListener::bind(address)?,
    };
    // A client that has gone in the meantime must not hold up the signals.
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Until one of them can be read, or a signal comes.
fn wait_for(sources: &[&dyn AsFd]) -> io::Result<()> {
    let mut polled: Vec<_> = sources.iter().map(|source| PollFd::new(source.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut polled, PollTimeout::NONE).map_err(io::Error::from) {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

#[derive(Debug)]
struct Greeting {
    path: Option<PathBuf>,
    text: Arc<[u8]>,
}

impl Greeting {
    fn read(path: Option<&Path>) -> Result<Greeting, String> {
        let Some(path) = path else { return Ok(Greeting { path: None, text: Arc::default() }) };
        let failed = |error: io::Error| format!("cannot read {}: {error}", path.display());
        // The daemon works in `/`; a relative path is meant from here.
        let path = path::absolute(path).map_err(failed)?;
        Ok(Greeting { text: fs::read(&path).map_err(failed)?.into(), path: Some(path) })
    }

    fn reload(&mut self) {
        match Greeting::read(self.path.as_deref()) {
            Ok(new) => {
                *self = new;
                eprintln!("reloaded");
            }
            // Nobody is at the terminal any more: the old one stays.
            Err(error) => eprintln!("{error}"),
        }
    }
}
