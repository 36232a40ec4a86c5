//! The value of `setup` is dropped where no parameter takes it.
#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(setup = println!("usage"), foreground = true)]
fn main(ready: Ready) {
    ready.notify();
}
