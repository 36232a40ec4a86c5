//! What only root may do comes first, in `setup`; the rest runs as nobody, for good, and tells every client so.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpListener;
use std::{env, process};

use daemon_runtime::{Ready, daemon};

/// What root has opened stays open for nobody.
struct Opened {
    /// On a port below 1024.
    listener: TcpListener,
    /// As a private key would be.
    secret: File,
}

const SECRET: &str = "/etc/shadow";

impl Opened {
    fn by_root() -> Opened {
        let address = env::args().nth(1).unwrap_or("127.0.0.1:17".into());
        let listener = TcpListener::bind(&address).unwrap_or_else(|error| give_up(&address, error));
        let secret = File::open(SECRET).unwrap_or_else(|error| give_up(SECRET, error));
        Opened { listener, secret }
    }
}

fn give_up(what: &str, error: impl Display) -> ! {
    eprintln!("privileged: {what}: {error}; start it as root");
    process::exit(77)
}

#[daemon(setup = Opened::by_root(), user = "nobody", no_new_privileges, no_core_dumps)]
fn main(opened: Opened, ready: Ready) -> io::Result<()> {
    println!("ask {}", opened.listener.local_addr()?);
    ready.notify();
    loop {
        let (mut client, _) = opened.listener.accept()?;
        // It may have gone already.
        let _ = client.write_all(state(&opened.secret)?.as_bytes());
    }
}

/// Who this is, and what it can and cannot do.
fn state(secret: &File) -> io::Result<String> {
    let status = fs::read_to_string("/proc/self/status")?;
    let told = ["Uid:", "Gid:", "Groups:", "CapPrm:", "NoNewPrivs:"];
    let lines: Vec<&str> = status.lines().filter(|line| told.iter().any(|name| line.starts_with(name))).collect();
    let length = secret.metadata()?.len();
    let again = match File::open(SECRET) {
        Ok(_) => "opened".into(),
        Err(error) => error.to_string(),
    };
    Ok(format!("{}\n{SECRET} as root: {length} bytes\n{SECRET} now: {again}\n", lines.join("\n")))
}
