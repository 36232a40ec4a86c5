#![deny(warnings)]
use daemon_runtime::daemon;

#[daemon(setup = 3)]
fn main(mut number: u8) {}
