#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3, foreground = true)]
fn main(#[allow(unused)] number: u8, #[allow(unused)] ready: Ready) {}
