#![deny(warnings)]
use daemon_runtime::{Ready, daemon};

#[daemon]
fn main(ready: Ready) {}
