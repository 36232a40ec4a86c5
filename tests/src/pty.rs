//! A terminal that a program can be started at.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::pty::{OpenptyResult, openpty};
use nix::unistd::ttyname;

use crate::{Launch, hostile, until};

/// A pseudo-terminal. When it is closed or dropped, its session hears a hangup.
#[derive(Debug)]
pub struct Pty {
    master: File,
    slave: File,
    path: PathBuf,
    seen: Vec<u8>,
}

impl Pty {
    /// A terminal that nobody sits at yet.
    pub fn open() -> Pty {
        let OpenptyResult { master, slave } = openpty(None, None).expect("a pseudo-terminal");
        // openpty(3) has no O_CLOEXEC. What another test starts between the calls loses it by `raw::begin_anew`.
        for end in [&master, &slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).expect("a flag of a descriptor");
        }
        fcntl(&master, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a flag of a terminal");
        let path = ttyname(&slave).expect("a terminal has a name");
        Pty { master: master.into(), slave: slave.into(), path, seen: Vec::new() }
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The launch at this terminal: its controlling terminal, and all three streams.
    pub fn launch<'a>(&self, launch: Launch<'a>) -> Launch<'a> {
        let end = || self.slave.try_clone().expect("a descriptor");
        launch.stdin(end()).stdout(end()).stderr(end()).under(hostile::terminal(self.path.clone()))
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("the terminal takes keys");
    }

    /// Waits until `text` can be read on it, and returns all that can.
    pub fn until(&mut self, text: &str) -> String {
        until(&format!("{text:?} on terminal {}", self.master.as_raw_fd()), || {
            let mut some = [0; 4096];
            match self.master.read(&mut some) {
                Ok(count) => self.seen.extend_from_slice(&some[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("cannot read the terminal: {error}"),
            }
            let seen = String::from_utf8_lossy(&self.seen).replace("\r\n", "\n");
            seen.contains(text).then_some(seen)
        })
    }

    /// Closes it, as a terminal window is closed.
    pub fn close(self) {}
}
