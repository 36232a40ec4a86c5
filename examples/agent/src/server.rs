//! The server: one user's values, in memory.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use daemon_runtime::Ready;

use crate::place::Place;

/// What the thread that answers tells.
enum Request {
    Begins,
    Ends,
}

/// Serves until nobody has asked for the time of `idle`, which begins anew at the end of each request.
pub(crate) fn serve(place: &Place, idle: Duration, ready: Ready) -> io::Result<()> {
    // The pid file's lock says that no other server runs: what is there was left by one that was killed.
    match fs::remove_file(&place.socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&place.socket)?;
    let (send, requests) = mpsc::channel();
    thread::spawn(move || {
        let mut values = HashMap::new();
        for client in listener.incoming() {
            // Where nobody hears it, the server ends, and the client asks the next one.
            let _ = send.send(Request::Begins);
            if let Err(error) = client.and_then(|client| answer(client, &mut values)) {
                eprintln!("agent: a client was not answered: {error}");
            }
            let _ = send.send(Request::Ends);
        }
    });
    ready.notify();
    while let Ok(request) = requests.recv_timeout(idle) {
        // A request that is under way takes its time.
        if let Request::Begins = request {
            let _ = requests.recv();
        }
    }
    fs::remove_file(&place.socket)
}

fn answer(mut client: UnixStream, values: &mut HashMap<String, String>) -> io::Result<()> {
    // A client that stops in the middle must not keep the others waiting.
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    client.read_to_string(&mut line)?;
    let words: Vec<&str> = line.splitn(3, ' ').collect();
    let answer = match words[..] {
        ["set", name, value] => {
            values.insert(name.to_owned(), value.to_owned());
            format!("{name} is {value}\n")
        }
        ["get", name] => values.get(name).map_or(format!("{name} is not set\n"), |value| format!("{value}\n")),
        _ => format!("cannot understand {line:?}\n"),
    };
    client.write_all(answer.as_bytes())
}
