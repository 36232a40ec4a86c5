//! What the processes of a launch tell each other, and how it is encoded.

use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc::pid_t;
use nix::unistd::{Pid, read, write};

use crate::error::Error;
use crate::sys::retry;

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
            Message::Started(pid) => (b's', pid.as_raw()),
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
        Message::decode(bytes).map(Some).ok_or(Errno::EBADMSG)
    }

    fn decode([tag, pid @ ..]: [u8; SIZE]) -> Option<Message> {
        match tag {
            b's' => Some(Message::Started(Pid::from_raw(pid_t::from_ne_bytes(pid)))),
            b'r' => Some(Message::Ready),
            b'g' => Some(Message::Go),
            _ => None,
        }
    }
}

/// Tells the client why the start has failed.
pub(crate) fn send_error(client: &UnixStream, error: &Error) -> nix::Result<()> {
    retry(|| write(client, &error.encode())).map(drop)
}

/// What the launcher tells the client.
pub(crate) enum Said {
    /// The daemon, with this pid, is ready.
    Ready(Pid),
    /// It has been told to go on.
    GoneOn,
    Failed(Error),
}

/// Waits for what the launcher says next; `None` if it has ended.
pub(crate) fn receive_from_launcher(launcher: &UnixStream) -> nix::Result<Option<Said>> {
    let mut bytes = vec![0; 1 << 16];
    let length = match retry(|| read(launcher, &mut bytes)) {
        Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
        read => read?,
    };
    let message = <[u8; SIZE]>::try_from(&bytes[..length]).ok().and_then(Message::decode);
    let said = match message {
        Some(Message::Started(pid)) => Some(Said::Ready(pid)),
        Some(Message::Go) => Some(Said::GoneOn),
        _ => Error::decode(&bytes[..length]).map(Said::Failed),
    };
    said.map(Some).ok_or(Errno::EBADMSG)
}
