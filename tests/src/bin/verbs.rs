//! A tool whose verbs start a daemon in different ways; what follows is words of `tests::fixture`.
//!
//! `serve`, `serve_async` and `twice` call functions with the attribute; `spawn` goes on in both processes, and `connect` does
//! what a client does that needs its server. On Linux alone `DAEMON_RECORD_LOCK` is a file that the process holds a lock of
//! fcntl(2) on before, and with `DAEMON_SUBREAPER` the client adopts orphans.

use std::error::Error;
#[cfg(linux_alone)]
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;
use std::{env, process};

use daemon_runtime::{Daemon, ErrorKind, Instance, Ready, Spawned, daemon};
#[cfg(linux_alone)]
use nix::{
    fcntl::{FcntlArg, fcntl},
    libc,
};
use tests::fixture::{self, begin, body, flag, number, text, time, touch, wait};
use tests::raw;

struct Args {
    pid_file: Option<PathBuf>,
    chdir: Option<String>,
}

/// Becomes the daemon.
#[daemon(pid_file = args.pid_file, chdir = args.chdir, start_timeout = time("start_timeout"))]
fn serve(args: &Args, ready: Ready) -> Result<usize, Box<dyn Error>> {
    body_of_verb(ready)?;
    Ok(args.chdir.as_ref().map_or(0, String::len))
}

#[daemon(pid_file = args.pid_file, chdir = args.chdir)]
#[tokio::main(flavor = "current_thread")]
async fn serve_async(args: Args, ready: Ready) -> Result<usize, Box<dyn Error>> {
    tokio::task::yield_now().await;
    body_of_verb(ready)?;
    Ok(args.chdir.map_or(0, |path| path.len()))
}

/// The words behind the verb.
fn body_of_verb(ready: Ready) -> fixture::Result {
    body(Some(ready))
}

fn main() -> Result<(), Box<dyn Error>> {
    begin();
    // For as long as it is open.
    #[cfg(linux_alone)]
    let _locked = text("record_lock").map(|path| lock(&path)).transpose()?;
    let args = Args { pid_file: text("pid_file").map(PathBuf::from), chdir: text("chdir") };
    match &*text("verb").unwrap_or_default() {
        "serve" => {
            let length = serve(&args)?;
            touch(&format!("returned_{length}"))?;
        }
        "serve_async" => {
            let length = serve_async(args)?;
            touch(&format!("returned_{length}"))?;
        }
        "twice" => {
            serve(&args)?;
            serve(&args)?;
        }
        "spawn" => spawn(&args)?,
        "connect" => connect(&args)?,
        verb => return Err(format!("no such verb: {verb}").into()),
    }
    Ok(())
}

/// Locks a file as databases do.
#[cfg(linux_alone)]
fn lock(path: &str) -> fixture::Result<File> {
    let file = File::options().write(true).create(true).truncate(false).open(path)?;
    let whole =
        libc::flock { l_type: libc::F_WRLCK as _, l_whence: libc::SEEK_SET as _, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(&file, FcntlArg::F_SETLK(&whole))?;
    Ok(file)
}

/// Starts a daemon and goes on.
fn spawn(args: &Args) -> fixture::Result {
    let daemon = Daemon::new().pid_file(&args.pid_file).chdir(&args.chdir).start_timeout(time("start_timeout"));
    let daemon = daemon.foreground(flag("foreground").then_some(true));
    if let Some(signal) = number("handle") {
        raw::handle(signal as i32)?;
    }
    #[cfg(linux_alone)]
    if flag("subreaper") {
        nix::sys::prctl::set_child_subreaper(true)?;
    }
    match daemon.spawn() {
        Ok(Spawned::Daemon(ready)) => body(Some(ready)),
        Ok(Spawned::Launcher(pid)) => {
            println!("daemon {pid}");
            go_on()
        }
        Err(error) => {
            println!("{:?} {} {error}", error.kind(), error.exit_code());
            go_on()?;
            process::exit(9)
        }
    }
}

/// What the client does after the start.
fn go_on() -> fixture::Result {
    #[cfg(linux_alone)]
    if flag("subreaper") && !nix::sys::prctl::get_child_subreaper()? {
        return Err("it adopts no orphans any more".into());
    }
    if flag("stay") {
        touch("client")?;
        wait("go");
    }
    Ok(())
}

/// Has a server, whoever started it.
fn connect(args: &Args) -> fixture::Result {
    let pid_file = args.pid_file.as_ref().ok_or("a pid file")?;
    let server = Instance::at(pid_file);
    if !server.is_ready()? {
        match Daemon::new().pid_file(pid_file).spawn() {
            Ok(Spawned::Daemon(ready)) => return body(Some(ready)),
            Ok(Spawned::Launcher(_)) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyRunning => {
                server.wait_until_ready(Duration::from_secs(30))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    // What the server has said before it was ready.
    println!("{}", env::var("DAEMON_ANSWER").map_or(Ok(String::new()), std::fs::read_to_string)?);
    Ok(())
}
