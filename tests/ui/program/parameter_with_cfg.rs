use daemon_runtime::{Ready, daemon};

#[daemon(foreground = true)]
fn main(#[cfg(unix)] ready: Ready) {
    ready.notify();
}
