//! By hand, with the options that only methods have here: open files as streams, directories that are created, and threads.
//!
//! A stream is a path, or `how:what` for an open file. `DAEMON_BY` says how that is given: as a `Stream`, or as a `reference` to
//! a `File`, or as a `descriptor`, an `OwnedFd`. `DAEMON_NAMES` are the names of threads that sleep, with commas between them;
//! with `DAEMON_WITH_THREADS` the daemon is started all the same, by another thread than the first one, which sleeps too.

use std::fs::File;
#[cfg(linux_alone)]
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;
use std::{process, thread};

use daemon_runtime::{Daemon, Stream};
#[cfg(linux_alone)]
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::pause;
use tests::fixture::{body, flag, list, number, text, time};
use tests::raw;

fn main() {
    tests::fixture::begin();
    let daemon = Daemon::new();
    for name in list("names").unwrap_or_default() {
        let (send, started) = std::sync::mpsc::channel();
        let sleeper = thread::Builder::new().name(name).spawn(move || {
            send.send(()).expect("it is waited for");
            sleep()
        });
        sleeper.expect("a thread");
        started.recv().expect("it has its name by now");
    }
    if flag("with_threads") {
        // The kernel gives a signal to the first thread, if that does not block it.
        thread::spawn(|| run(daemon));
        sleep()
    }
    run(daemon)
}

fn run(daemon: Daemon) {
    let [stdin, stdout, stderr] = ["stdin", "stdout", "stderr"].map(|name| text(name).map(|text| given(&text)));
    let daemon = match text("by").as_deref() {
        Some("reference") => {
            let [stdin, stdout, stderr] = [&stdin, &stdout, &stderr].map(|given| given.as_ref().map(Given::file));
            daemon.stdin(stdin).stdout(stdout).stderr(stderr)
        }
        Some("descriptor") => {
            let [stdin, stdout, stderr] =
                [&stdin, &stdout, &stderr].map(|given| Some(OwnedFd::from(given.as_ref()?.file().try_clone().ok()?)));
            daemon.stdin(&stdin).stdout(stdout).stderr(stderr)
        }
        // Moved, as nobody else needs them.
        _ => {
            let [stdin, stdout, stderr] = [stdin, stdout, stderr].map(|given| given.map(Stream::from));
            // Clones share what is open.
            daemon.stdin(stdin.clone()).stdout(&stdout).stderr(stderr)
        }
    };
    let daemon =
        daemon.pid_file(text("pid_file")).create_directories(flag("create_directories")).umask(number("umask"));
    let daemon = daemon.user(text("user")).group(text("group")).chdir(text("chdir")).keep_env(list("keep_env"));
    let daemon = daemon.reopen_on_sighup(flag("reopen_on_sighup")).start_timeout(time("start_timeout"));
    let daemon = daemon.foreground(text("foreground").map(|text| text == "1"));
    let started = if flag("with_threads") { raw::start_with_sleeping_threads(daemon) } else { daemon.start() };
    let done = body(Some(started.unwrap_or_else(|error| error.exit())));
    process::exit(done.map_or_else(
        |error| {
            eprintln!("Error: {error}");
            1
        },
        |()| 0,
    ))
}

enum Given {
    Path(String),
    Open(File),
}

impl Given {
    fn file(&self) -> &File {
        match self {
            Given::Open(file) => file,
            Given::Path(path) => panic!("{path} is no open file"),
        }
    }
}

impl From<Given> for Stream {
    fn from(given: Given) -> Stream {
        match given {
            Given::Path(path) => Stream::File(path.into()),
            Given::Open(file) => file.into(),
        }
    }
}

fn given(text: &str) -> Given {
    let Some((how, what)) = text.split_once(':') else { return Given::Path(text.into()) };
    let options = || File::options();
    Given::Open(match how {
        "append" => options().append(true).create(true).open(what).expect("a file"),
        "read" => File::open(what).expect("a file"),
        // A FIFO that nobody reads yet.
        "both" => options().read(true).write(true).open(what).expect("a file"),
        "socket" => {
            let socket = UnixDatagram::unbound().expect("a socket");
            socket.connect(what).expect("somebody listens");
            OwnedFd::from(socket).into()
        }
        #[cfg(linux_alone)]
        "memory" => {
            let mut file = File::from(memfd_create("given", MFdFlags::MFD_CLOEXEC).expect("a file"));
            file.write_all(what.as_bytes()).and_then(|()| file.rewind()).expect("room");
            file
        }
        "passed" => raw::take_over(what.parse().expect("a number")).into(),
        _ => panic!("no way to open a file: {how}"),
    })
}

fn sleep() -> ! {
    loop {
        pause();
        thread::sleep(Duration::from_millis(1));
    }
}
