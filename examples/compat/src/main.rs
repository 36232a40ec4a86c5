//! Without the attribute: a program whose main decides itself whether it detaches, as with the daemonize crate.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use std::{env, process};

use daemon_runtime::{Daemon, Error, thread};

/// `compat` works at the terminal, `compat -d DIRECTORY`, an absolute path, as a daemon.
fn main() {
    // First of all: what is open now counts as inherited, and will be closed.
    let daemon = Daemon::new();

    let words: Vec<String> = env::args().skip(1).collect();
    match &words[..] {
        [] => {}
        [option, directory] if option == "-d" => detach(daemon, directory.as_ref()).unwrap_or_else(|error| {
            eprintln!("compat: {error}");
            process::exit(error.exit_code().into())
        }),
        _ => {
            eprintln!("usage: compat [-d ABSOLUTE_DIRECTORY]");
            process::exit(64)
        }
    }
    work();
    // What the attribute does at main's end.
    if let Err(error) = thread::join_all() {
        eprintln!("compat: {error}");
        process::exit(1)
    }
}

/// Here was `Daemonize::new()….start()?`.
///
/// | daemonize | here |
/// | --- | --- |
/// | `pid_file(path)` | the same; locked, and removed at the end |
/// | `chown_pid_file(true)` | not needed |
/// | `working_directory(path)` | `chdir(path)` |
/// | `umask(0o027)`, `user(name)`, `group(name)`, `chroot(path)` | the same |
/// | `stdout(file)`, `stderr(file)` | the same; or paths, which are appended to, and can be reopened |
/// | `privileged_action(closure)` | the code before `start` |
/// | the launcher exits with 0 when it has forked | when the program says that it is ready, `notify()` |
fn detach(daemon: Daemon, directory: &Path) -> Result<(), Error> {
    let ready = daemon
        .pid_file(directory.join("compat.pid"))
        .chdir(directory)
        .umask(0o027)
        .stdout(directory.join("compat.log"))
        .stderr(directory.join("compat.log"))
        .start()?;
    // What may fail before the program can work belongs here, where it is still seen at the terminal.
    ready.notify();
    Ok(())
}

/// As it has always been.
fn work() {
    loop {
        println!("working");
        sleep(Duration::from_secs(1));
    }
}
