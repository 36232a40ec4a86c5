use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3)]
fn main(ready: Ready, number: u8) {
    ready.notify();
    let _ = number;
}
