//! A fixture with `setup`: it reads the file that its first argument names, and opens the second one, relative to where
//! it was started. The daemon appends to the second what was in the first.

use std::fs::{File, read_to_string};
use std::io::{self, Write};

use daemon_runtime::{Ready, daemon};
use tests::fixture::{begin, flag, touch};

struct Given {
    config: String,
    data: File,
    ignore_sigchld: bool,
}

/// `DAEMON_RUNNING` asks for a thread that is still running when it returns.
fn given() -> io::Result<Given> {
    begin();
    println!("setup");
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or_else(|| io::Error::other("two files are wanted"));
    let config = read_to_string(word()?)?;
    let data = File::options().append(true).create(true).open(word()?)?;
    std::thread::spawn(|| ()).join().expect("a thread that has ended does no harm");
    if flag("running") {
        std::thread::spawn(nix::unistd::pause);
    }
    Ok(Given { config, data, ignore_sigchld: flag("ignore_sigchld") })
}

#[daemon(setup = given()?, ignore_sigchld = given.ignore_sigchld)]
fn main(mut given: Given, ready: Ready) -> io::Result<()> {
    ready.notify();
    given.data.write_all(given.config.as_bytes())?;
    touch("body")?;
    loop {
        nix::unistd::pause();
    }
}
