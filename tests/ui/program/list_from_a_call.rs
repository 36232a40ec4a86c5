#![deny(warnings)]

use daemon_runtime::daemon;

fn numbers(_: &str) -> Vec<i32> {
    Vec::new()
}

#[daemon(keep_fds = numbers("0, 1 and 2 are in a call, and no list"), keep_env = Vec::<String>::new())]
fn main() {}
