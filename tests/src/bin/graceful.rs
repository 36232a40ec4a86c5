//! A daemon that ends gracefully, with signal-hook: it finishes its work before it ends.
//!
//! `DAEMON_HOOK` says when it installs its handlers: in `setup`, `before` it is ready, or `after`. `DAEMON_HUP` asks for
//! `SIGHUP` to be a mere line on stdout. Marks: `body`, `stopping`; then it waits for `go`, and `finished`.

use std::io;

use daemon_runtime::{Ready, daemon};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use tests::fixture::{begin, flag, text, touch, wait};

fn hook(when: &str) -> io::Result<Option<Signals>> {
    let now = text("hook").as_deref() == Some(when);
    now.then(|| Signals::new([SIGHUP, SIGINT, SIGQUIT, SIGTERM])).transpose()
}

fn setup() -> io::Result<Option<Signals>> {
    begin();
    hook("setup")
}

#[daemon(
    setup = setup()?,
    pid_file = text("pid_file"),
    stdout = text("stdout"),
    stderr = text("stderr"),
    reopen_on_sighup = flag("reopen_on_sighup"),
    foreground = flag("foreground"),
)]
fn main(hooked: Option<Signals>, ready: Ready) -> io::Result<()> {
    let hooked = hooked.or(hook("before")?);
    ready.notify();
    let mut signals = hooked.or(hook("after")?).expect("DAEMON_HOOK=setup, before or after");
    touch("body")?;
    for signal in signals.forever() {
        if signal == SIGHUP && flag("hup") {
            println!("reloaded");
            continue;
        }
        break;
    }
    touch("stopping")?;
    wait("go");
    touch("finished")
}
