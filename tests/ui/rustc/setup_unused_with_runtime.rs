#![deny(warnings)]
use daemon_runtime::daemon;

#[daemon(setup = 3)]
#[tokio::main]
async fn main(number: u32) {}
