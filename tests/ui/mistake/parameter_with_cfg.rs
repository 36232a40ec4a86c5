use daemon_runtime::{Ready, daemon};

#[daemon]
fn main(#[cfg(unix)] ready: Ready) {
    ready.notify();
}
