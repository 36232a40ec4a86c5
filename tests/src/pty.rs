//! A terminal that a program can be started at.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::{Launch, hostile, until};

/// A pseudo-terminal. When it is closed or dropped, its session hears a hangup.
#[derive(Debug)]
pub struct Pty {
    master: PtyMaster,
    slave: File,
    path: PathBuf,
    seen: Vec<u8>,
}

impl Pty {
    /// A terminal that nobody sits at yet.
    pub fn open() -> Pty {
        // Not openpty, which has no O_CLOEXEC: what another test starts meanwhile would keep the terminal open.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)
            .expect("a pseudo-terminal");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let path = PathBuf::from(ptsname_r(&master).expect("a pseudo-terminal has a name"));
        let slave = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(&path);
        Pty { master, slave: slave.expect("the other end of the terminal"), path, seen: Vec::new() }
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
