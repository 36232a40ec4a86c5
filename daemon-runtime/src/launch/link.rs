//! The daemon's connection to its launcher: it says that it is ready, and waits for `Go`.

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::unistd::{Pid, getpid, getppid, getsid};

use super::message::Message;
use crate::error::{Error, ErrorKind, OrFail, Result, Step};

#[derive(Debug)]
pub(crate) struct Link {
    channel: UnixStream,
    launcher: Pid,
}

impl Link {
    pub(super) fn new(channel: UnixStream, launcher: Pid) -> Self {
        Link { channel, launcher }
    }

    /// Checks that the channel still is a socket.
    pub(crate) fn check(&self) -> Result<()> {
        let why = "main's body has closed the descriptor by which the launcher is told";
        self.channel.take_error().map(drop).map_err(|_| {
            Error::new(Step::Ready, ErrorKind::Misuse, "say that it is ready", why)
                .advise("close only descriptors that the program has opened")
        })
    }

    /// Says that the daemon is ready, and waits for `Go`. After that nothing can fail.
    pub(crate) fn report_ready(&self) -> Result<()> {
        match Message::Ready(getpid()).send(&self.channel) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Err(launcher_died()),
            sent => sent.or_fail(Step::Ready, "say that it is ready")?,
        }
        loop {
            match Message::receive(&self.channel) {
                Ok(Some(Message::Go)) => return Ok(()),
                // The launcher says itself why.
                Ok(Some(_)) => std::process::exit(1),
                Ok(None) => return Err(launcher_died()),
                // The launcher decides how the start ends, and not a call that fails here.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Waits until both parents have gone, which they do at once; but not for one that somebody has stopped.
    pub(crate) fn wait_until_orphaned(&self) {
        let started = Instant::now();
        // A body that has made a session of its own waits for the launcher alone: so its table may show the session leader.
        let parents = [self.launcher, getsid(None).unwrap_or(self.launcher)];
        while parents.contains(&getppid()) && started.elapsed() < Duration::from_secs(1) {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

fn launcher_died() -> Error {
    let why = "the launcher has died";
    Error::new(Step::Launch, ErrorKind::Interrupted, "start the daemon", why).advise("start it again")
}
