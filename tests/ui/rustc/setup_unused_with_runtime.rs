#![deny(warnings)]
use daemon_runtime::daemon;

#[daemon(setup = 3, umask = number)]
#[tokio::main]
async fn main(number: u32) {}
