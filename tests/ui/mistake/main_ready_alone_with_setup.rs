use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3)]
fn main(ready: Ready) {
    ready.notify();
}
