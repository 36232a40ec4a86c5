#![deny(warnings)]
use daemon_runtime::daemon;

#[daemon(setup = std::fs::create_dir("x"))]
fn main() {}
