//! The textbook's daemon: it appends a line to a file every few seconds until it is told to stop.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use daemon_runtime::{Ready, daemon};

/// What the launcher prepares at the terminal, where a mistake is still seen.
struct Hello {
    path: PathBuf,
    log: PathBuf,
    file: File,
    interval: Duration,
}

impl Hello {
    fn prepare() -> Result<Hello, String> {
        let interval = interval()?;
        let path = env::args_os().nth(1).map_or(env::temp_dir().join("hello.txt"), PathBuf::from);
        let failed = |error: io::Error| format!("cannot open {}: {error}", path.display());
        let file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
        // The daemon works in `/`; a relative path is meant from here.
        let path = std::path::absolute(&path).map_err(failed)?;
        let mut log = path.clone().into_os_string();
        log.push(".log");
        Ok(Hello { log: log.into(), path, file, interval })
    }
}

/// HELLO_INTERVAL in seconds, or 10.
fn interval() -> Result<Duration, String> {
    let text = env::var_os("HELLO_INTERVAL").unwrap_or("10".into());
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    let interval = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).filter(|time| !time.is_zero());
    interval.ok_or_else(|| format!("HELLO_INTERVAL must be a number of seconds above 0, such as 0.5, and not {text:?}"))
}

fn usage_error(error: String) -> ! {
    eprintln!("hello: {error}");
    process::exit(64)
}

#[daemon(
    umask = 0,
    chdir = "/",
    ignore_sigchld,
    trace,
    setup = Hello::prepare().unwrap_or_else(|error| usage_error(error)),
    stderr = hello.log,
)]
fn main(mut hello: Hello, ready: Ready) -> io::Result<()> {
    let stop = on_sigterm()?;
    let pid = process::id();
    println!("process {pid} writes to {}; stop it with: kill {pid}", hello.path.display());
    ready.notify();

    loop {
        // One write for the whole line, so that no signal can come in between.
        if let Err(error) = hello.file.write_all(b"hello\n") {
            eprintln!("cannot write to {}: {error}", hello.path.display());
        }
        if stop.recv_timeout(hello.interval).is_ok() {
            return Ok(());
        }
    }
}

/// A message when SIGTERM comes.
#[cfg(unix)]
fn on_sigterm() -> io::Result<Receiver<()>> {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM])?;
    let (send, receive) = mpsc::channel();
    thread::spawn(move || signals.forever().try_for_each(|_| send.send(())));
    Ok(receive)
}

/// No message: there is no such signal.
#[cfg(not(unix))]
fn on_sigterm() -> io::Result<Receiver<()>> {
    let (send, receive) = mpsc::channel();
    // The receiver would see a sender that is gone.
    thread::spawn(move || loop_with(send));
    Ok(receive)
}

#[cfg(not(unix))]
fn loop_with(_send: mpsc::Sender<()>) {
    loop {
        thread::park();
    }
}
