//! The same with tokio, see `graceful`; its handlers are installed after it is ready.

use std::io;

use daemon_runtime::{Ready, daemon};
use tests::fixture::{begin, flag, text, touch, wait};
use tokio::signal::unix::{SignalKind, signal};

#[daemon(
    umask = {
        begin();
        0o022
    },
    pid_file = text("pid_file"),
    stdout = text("stdout"),
    stderr = text("stderr"),
    reopen_on_sighup = flag("reopen_on_sighup"),
    foreground = flag("foreground"),
)]
#[tokio::main(flavor = "current_thread")]
async fn main(ready: Ready) -> io::Result<()> {
    ready.notify();
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    touch("body")?;
    loop {
        tokio::select! {
            _ = hangup.recv() => match flag("hup") {
                true => println!("reloaded"),
                false => break,
            },
            _ = interrupt.recv() => break,
            _ = quit.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    touch("stopping")?;
    wait("go");
    touch("finished")
}
