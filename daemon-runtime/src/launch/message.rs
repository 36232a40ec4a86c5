//! What the processes of a launch tell each other, and how it is encoded.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::c_int;
use nix::unistd::Pid;

use crate::error::{Error, ErrorKind as Kind, Inner, Step};
use crate::sys::ExitStatus;

/// A tag, and a number in this machine's byte order.
const SIZE: usize = 1 + size_of::<c_int>();

/// One message. So short a text goes in one piece, also where two processes write.
#[derive(Debug)]
pub(crate) enum Message {
    /// From the session leader to the launcher: the daemon has been forked, with this pid.
    Started(Pid),
    /// From a session leader that stays to the launcher: the daemon has ended.
    Ended(ExitStatus),
    /// From the daemon, with this pid, to the launcher: it is ready.
    Ready(Pid),
    /// From the launcher to the daemon: the start has succeeded.
    Go,
    /// From the launcher to the daemon: the start has been given up, and the launcher says why.
    Stop,
}

impl Message {
    pub(crate) fn send(&self, mut channel: &UnixStream) -> io::Result<()> {
        let (tag, number) = match self {
            Message::Started(pid) => (b's', pid.as_raw()),
            Message::Ended(ExitStatus::Exited(code)) => (b'e', *code),
            Message::Ended(ExitStatus::Killed(signal)) => (b'k', *signal),
            Message::Ready(pid) => (b'r', pid.as_raw()),
            Message::Go => (b'g', 0),
            Message::Stop => (b'x', 0),
        };
        let mut bytes = [tag; SIZE];
        bytes[1..].copy_from_slice(&number.to_ne_bytes());
        channel.write_all(&bytes)
    }

    /// Waits for the next message; `None` if the other end is closed.
    pub(crate) fn receive(mut channel: &UnixStream) -> io::Result<Option<Message>> {
        let mut bytes = [0; SIZE];
        match channel.read_exact(&mut bytes) {
            // Reset: closed, with something in it that nobody has read.
            Err(error) if [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind()) => {
                return Ok(None);
            }
            read => read?,
        }
        let [tag, number @ ..] = bytes;
        let number = c_int::from_ne_bytes(number);
        Ok(Some(match tag {
            b's' => Message::Started(Pid::from_raw(number)),
            b'e' => Message::Ended(ExitStatus::Exited(number)),
            b'k' => Message::Ended(ExitStatus::Killed(number)),
            b'r' => Message::Ready(Pid::from_raw(number)),
            b'g' => Message::Go,
            b'x' => Message::Stop,
            _ => return Err(Errno::EBADMSG.into()),
        }))
    }
}

/// The longest text of an error that is sent. Three of them fit into a socket.
const MAX_TEXT: usize = 20_000;

/// Tells the client of [`Daemon::spawn`](crate::Daemon::spawn) how the start has ended: the daemon's pid, or the error, which is
/// four numbers, and three texts, each with a NUL at its end.
pub(crate) fn tell_client(mut client: &UnixStream, ended: Result<Pid, &Error>) -> io::Result<()> {
    let error = match ended {
        Ok(daemon) => return Message::Ready(daemon).send(client),
        Err(error) => error,
    };
    let Inner { step, kind, what, why, advice, exit_code, errno } = &*error.0;
    let step = step.map_or(0, |step| step as u8 + 1);
    let mut bytes = vec![b'f', *kind as u8, step, *exit_code];
    bytes.extend(errno.unwrap_or(0).to_ne_bytes());
    for text in [what, why, &**advice] {
        bytes.extend(&text.as_bytes()[..text.len().min(MAX_TEXT)]);
        bytes.push(0);
    }
    client.write_all(&bytes)
}

/// Waits until the launcher has told how the start has ended, or has ended itself, which is `None`.
pub(crate) fn receive_in_client(mut launcher: &UnixStream) -> io::Result<Option<Result<Pid, Error>>> {
    let mut bytes = Vec::new();
    loop {
        match launcher.read_to_end(&mut bytes) {
            Ok(_) => break,
            // The launcher decides how the start ends, and not a call that fails here; what was read stays.
            Err(error) if error.kind() != ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            Err(late) => return Err(late),
        }
    }
    Ok(match &*bytes {
        [b'r', pid @ ..] => pid.try_into().ok().map(|pid| Ok(Pid::from_raw(c_int::from_ne_bytes(pid)))),
        [b'f', error @ ..] => decode_error(error).map(Err),
        _ => None,
    })
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
const KINDS: [Kind; 12] = [
    Kind::InvalidOption, Kind::NoSuchAccount, Kind::AlreadyRunning, Kind::NotRunning, Kind::Misuse, Kind::System, Kind::File,
    Kind::TimedOut, Kind::NotPermitted, Kind::StartFailed, Kind::Interrupted, Kind::Unsupported,
];

const _: () = {
    let mut number = 0;
    while number < KINDS.len() {
        assert!(KINDS[number] as usize == number);
        assert!(number >= STEPS.len() || STEPS[number] as usize == number);
        number += 1;
    }
};
