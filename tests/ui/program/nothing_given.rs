//! What is written out as nothing is not given.

use daemon_runtime::{Ready, Stream, daemon};

#[daemon(pid_file = None, keep_env = [], keep_fds = vec![], stdout = Stream::Null, umask = if 1 < 10 { 0o022 } else { 0o077 })]
fn start(ready: Ready) {
    ready.notify();
}

fn main() {
    // Only type-checked.
    let _ = start;
}
