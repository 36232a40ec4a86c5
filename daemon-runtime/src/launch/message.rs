//! What the processes of a launch tell each other, and how it is encoded.

use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::libc::pid_t;
use nix::unistd::{Pid, read, write};

use crate::error::{Error, ErrorKind, Inner, Step};
use crate::sys::retry;

const PID_SIZE: usize = size_of::<pid_t>();
/// A tag, and a pid or zeros, in this machine's byte order.
const SIZE: usize = 1 + PID_SIZE;

/// One message. The socket keeps them apart (SOCK_SEQPACKET).
pub(crate) enum Message {
    /// From the session leader to the launcher: the daemon has been forked, with this pid.
    Started(Pid),
    /// From the daemon to the launcher: it is ready.
    Ready,
    /// From the launcher to the daemon, and then to the client: the start has succeeded, and the launcher exits.
    Go,
    /// From the launcher to the client: the daemon, with this pid, is ready.
    DaemonReady(Pid),
}

impl Message {
    pub(crate) fn send(&self, channel: &UnixStream) -> nix::Result<()> {
        let (tag, pid) = match self {
            Message::Started(pid) => (b's', pid.as_raw()),
            Message::Ready => (b'r', 0),
            Message::Go => (b'g', 0),
            Message::DaemonReady(pid) => (b'd', pid.as_raw()),
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
        let pid = Pid::from_raw(pid_t::from_ne_bytes(pid));
        match tag {
            b's' => Some(Message::Started(pid)),
            b'r' => Some(Message::Ready),
            b'g' => Some(Message::Go),
            b'd' => Some(Message::DaemonReady(pid)),
            _ => None,
        }
    }
}

/// The longest text of an error that is sent. Three of them fit into what the client reads.
const MAX_TEXT: usize = 20_000;

/// Tells the client why the start has failed: four numbers, and three texts, each with a NUL at its end.
pub(crate) fn send_error(client: &UnixStream, error: &Error) -> nix::Result<()> {
    let Inner { step, kind, what, why, advice, exit_code, errno } = &*error.0;
    let step = step.map_or(0, |step| step as u8 + 1);
    let mut bytes = vec![*kind as u8, step, *exit_code];
    bytes.extend(errno.unwrap_or(0).to_ne_bytes());
    for text in [what, why, &**advice] {
        bytes.extend(&text.as_bytes()[..text.len().min(MAX_TEXT)]);
        bytes.push(0);
    }
    retry(|| write(client, &bytes)).map(drop)
}

fn decode_error(bytes: &[u8]) -> Option<Error> {
    let (&[kind, step, exit_code, e1, e2, e3, e4], texts) = bytes.split_first_chunk()?;
    let mut texts = texts.split(|byte| *byte == 0).map(|text| String::from_utf8_lossy(text).into_owned());
    let (what, why, advice) = (texts.next()?, texts.next()?, texts.next()?.into());
    let kind = *KINDS.get(usize::from(kind))?;
    let step = usize::from(step).checked_sub(1).and_then(|step| STEPS.get(step)).copied();
    let errno = Some(i32::from_ne_bytes([e1, e2, e3, e4])).filter(|errno| *errno != 0);
    Some(Error(Box::new(Inner { step, kind, what, why, advice, exit_code, errno })))
}

/// In the order of their numbers.
#[rustfmt::skip]
const STEPS: [Step; 11] = [
    Step::Options, Step::Threads, Step::Accounts, Step::Streams, Step::PidFile, Step::Descriptors, Step::Launch,
    Step::Directory, Step::Signals, Step::Privileges, Step::Ready,
];

/// The same.
#[rustfmt::skip]
const KINDS: [ErrorKind; 12] = [
    ErrorKind::InvalidOption, ErrorKind::NoSuchAccount, ErrorKind::AlreadyRunning, ErrorKind::NotRunning,
    ErrorKind::Misuse, ErrorKind::System, ErrorKind::File, ErrorKind::TimedOut, ErrorKind::NotPermitted,
    ErrorKind::StartFailed, ErrorKind::Interrupted, ErrorKind::Unsupported,
];

const _: () = {
    let mut number = 0;
    while number < KINDS.len() {
        assert!(KINDS[number] as usize == number);
        assert!(number >= STEPS.len() || STEPS[number] as usize == number);
        number += 1;
    }
};

/// Waits for what the launcher tells the client next; `None` if it has ended.
pub(crate) fn receive_from_launcher(launcher: &UnixStream) -> nix::Result<Option<Result<Message, Error>>> {
    let mut bytes = vec![0; 1 << 16];
    let length = match retry(|| read(launcher, &mut bytes)) {
        Ok(0) | Err(Errno::ECONNRESET) => return Ok(None),
        read => read?,
    };
    let bytes = &bytes[..length];
    let message = <[u8; SIZE]>::try_from(bytes).ok().and_then(Message::decode).map(Ok);
    message.or_else(|| decode_error(bytes).map(Err)).map(Some).ok_or(Errno::EBADMSG)
}
