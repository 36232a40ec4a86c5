//! What the processes of a launch tell each other, and how it is encoded.

use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc::pid_t;
use nix::unistd::{Pid, read, write};

use crate::error::{Error, Result};
use crate::sys::retry;

const STARTED: u8 = b's';
const PID_SIZE: usize = size_of::<pid_t>();
/// A tag, and a pid or zeros, in this machine's byte order.
const SIZE: usize = 1 + PID_SIZE;

/// One message. The socket keeps them apart (SOCK_SEQPACKET).
pub(super) enum Message {
    /// From the session leader: the daemon has been forked, with this pid.
    Started(Pid),
    /// From the daemon: it is ready.
    Ready,
    /// From the launcher: the start has succeeded, and the launcher exits.
    Go,
}

impl Message {
    pub(super) fn send(&self, channel: &UnixStream) -> nix::Result<()> {
        let (tag, pid) = match self {
            Message::Started(pid) => (STARTED, pid.as_raw()),
            Message::Ready => (b'r', 0),
            Message::Go => (b'g', 0),
        };
        let mut bytes = [tag; SIZE];
        bytes[1..].copy_from_slice(&pid.to_ne_bytes());
        retry(|| write(channel, &bytes)).map(drop)
    }

    /// Waits for the next message; `None` if the other end is closed.
    pub(super) fn receive(channel: &UnixStream) -> nix::Result<Option<Message>> {
        let mut bytes = [0; SIZE];
        match retry(|| read(channel, &mut bytes)) {
            // Reset: closed, with something in it that nobody has read.
            Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
            read => read?,
        };
        let [tag, pid @ ..] = bytes;
        match tag {
            STARTED => Ok(Some(Message::Started(Pid::from_raw(pid_t::from_ne_bytes(pid))))),
            b'r' => Ok(Some(Message::Ready)),
            b'g' => Ok(Some(Message::Go)),
            _ => Err(Errno::EBADMSG),
        }
    }
}

/// Tells the client why the start has failed.
pub(crate) fn send_error(client: &UnixStream, error: &Error) -> nix::Result<()> {
    retry(|| write(client, &error.encode())).map(drop)
}

/// Waits for the end of a start: the daemon's pid, or why there is none. `None` if the launcher has died.
pub(crate) fn receive_end(launcher: &UnixStream) -> nix::Result<Option<Result<Pid>>> {
    let mut bytes = vec![0; 1 << 16];
    let length = match retry(|| read(launcher, &mut bytes)) {
        Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
        read => read?,
    };
    if length == SIZE && bytes[0] == STARTED {
        let mut pid = [0; PID_SIZE];
        pid.copy_from_slice(&bytes[1..SIZE]);
        return Ok(Some(Ok(Pid::from_raw(pid_t::from_ne_bytes(pid)))));
    }
    Error::decode(&bytes[..length]).map(|error| Some(Err(error))).ok_or(Errno::EBADMSG)
}
