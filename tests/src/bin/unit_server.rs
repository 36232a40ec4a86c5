//! The server that supervisors run in the tests. To each connection it answers its pid and how often it was reloaded.

use std::error::Error;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use daemon_runtime::{Ready, daemon, supervised};
use listenfd::ListenFd;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

struct Args {
    listen: String,
    pid_file: Option<PathBuf>,
    log: Option<PathBuf>,
    user: Option<String>,
    foreground: bool,
    /// How the start ends, if not well: `error`, `panic`, or an exit code.
    fail: Option<String>,
}

impl Args {
    fn parse() -> Result<Args, String> {
        let listen = "127.0.0.1:0".into();
        let mut parsed = Args { listen, pid_file: None, log: None, user: None, foreground: false, fail: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(format!("{arg} takes a value"));
            match arg.as_str() {
                "--listen" => parsed.listen = value()?,
                "--pid-file" => parsed.pid_file = Some(value()?.into()),
                "--log" => parsed.log = Some(value()?.into()),
                "--user" => parsed.user = Some(value()?),
                "--foreground" => parsed.foreground = true,
                "--fail" => parsed.fail = Some(value()?),
                // A client's command, which is done before there is a start.
                "--reload" => {
                    let pid = value()?.parse().map_err(|_| "a pid is a number")?;
                    kill(Pid::from_raw(pid), Signal::SIGHUP).map_err(|errno| errno.to_string())?;
                    exit(0)
                }
                _ => return Err(format!("no such option: {arg}")),
            }
        }
        Ok(parsed)
    }
}

#[daemon(
    setup = Args::parse()?,
    foreground = args.foreground || supervised(),
    pid_file = args.pid_file,
    stdout = args.log,
    stderr = args.log,
    user = args.user,
)]
fn main(args: Args, ready: Ready) -> Result<(), Box<dyn Error>> {
    match args.fail.as_deref() {
        None => {}
        Some("error") => return Err("told to fail".into()),
        Some("panic") => panic!("told to panic"),
        Some(code) => {
            println!("told to exit with {code}");
            exit(code.parse()?)
        }
    }
    // Time enough for a supervisor that does not wait to be found out.
    thread::sleep(Duration::from_millis(300));
    let listener = match ListenFd::from_env().take_tcp_listener(0)? {
        Some(passed) => passed,
        None => TcpListener::bind(&args.listen)?,
    };

    let mut hangup = SigSet::empty();
    hangup.add(Signal::SIGHUP);
    // Before there are threads, which inherit the mask.
    hangup.thread_block()?;
    let reloads = Arc::new(AtomicU32::new(0));
    let count = reloads.clone();
    thread::spawn(move || {
        while hangup.wait().is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
            println!("reloaded");
        }
    });

    println!("listening on {}", listener.local_addr()?);
    ready.notify();
    for connection in listener.incoming() {
        let answer = format!("pid {} reloads {}\n", std::process::id(), reloads.load(Ordering::Relaxed));
        // Who went away needs no answer.
        let _ = connection?.write_all(answer.as_bytes());
    }
    Ok(())
}
