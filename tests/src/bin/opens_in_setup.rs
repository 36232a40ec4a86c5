//! A fixture whose `setup` opens things; the options come from the environment, as in `tests::fixture`.
//!
//! `DAEMON_SETUP` is words, each on a line of its own, done in turn: `close=5` (a descriptor that was inherited),
//! `open=path`, `c_open=path` (as C opens: without close-on-exec), `block=10`, `ignore=12` (signals), `read=path` and `listen=address`. With a `listen`
//! the body answers each connection with its user id and what can be read from the file of `read`.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;

use daemon_runtime::Ready;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{close, geteuid};
use tests::fixture::{self, begin, body, text};

#[derive(Default)]
struct Prepared {
    opened: Vec<OwnedFd>,
    secret: Option<File>,
    listener: Option<TcpListener>,
}

fn prepare() -> fixture::Result<Prepared> {
    begin();
    let mut prepared = Prepared::default();
    for word in text("setup").unwrap_or_default().lines() {
        let (verb, value) = word.split_once('=').ok_or("a word has a value")?;
        match verb {
            "close" => close(value.parse::<i32>()?)?,
            "open" => prepared.opened.push(File::open(value)?.into()),
            "c_open" => prepared.opened.push(open(value, OFlag::O_RDONLY, Mode::empty())?),
            "exit" => std::process::exit(value.parse()?),
            "block" | "ignore" => fixture::set_signal(verb, value.parse()?)?,
            "read" => prepared.secret = Some(File::open(value)?),
            "listen" => prepared.listener = Some(TcpListener::bind(value)?),
            _ => return Err(format!("fixture: no such word: {word}").into()),
        }
    }
    Ok(prepared)
}

impl Prepared {
    fn answer(&mut self, mut to: impl Write) -> io::Result<()> {
        let mut content = String::new();
        if let Some(secret) = &mut self.secret {
            secret.rewind()?;
            secret.read_to_string(&mut content)?;
        }
        write!(to, "{} {content}", geteuid())
    }
}

tests::with_every_option! {
    setup = prepare()?;
    fn main(mut prepared: Prepared, ready: Ready) -> fixture::Result {
        let Some(listener) = prepared.listener.take() else {
            return body(Some(ready));
        };
        ready.notify();
        for connection in listener.incoming() {
            prepared.answer(connection?)?;
        }
        Ok(())
    }
}
