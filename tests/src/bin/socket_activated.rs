//! A daemon that takes passed sockets with the crates that others use for it, and says on stdout what each of them
//! finds. To a connection to the first socket it answers `served`.

use std::error::Error;
use std::io::Write;

use daemon_runtime::{Ready, daemon};
use listenfd::ListenFd;
use tests::fixture::text;

#[daemon(foreground = false, user = text("user"), keep_fds = tests::fixture::keep_fds())]
fn main(ready: Ready) -> Result<(), Box<dyn Error>> {
    for (fd, name) in sd_notify::listen_fds_with_names()? {
        println!("sd-notify: {fd} {name}");
    }
    let mut passed = ListenFd::from_env();
    println!("listenfd: {}", passed.len());
    let Some(listener) = passed.take_tcp_listener(0)? else {
        return Err("no socket was passed".into());
    };
    ready.notify();
    for connection in listener.incoming() {
        connection?.write_all(b"served")?;
    }
    Ok(())
}
