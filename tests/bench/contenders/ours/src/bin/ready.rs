//! The options are literals, and the body says when it is ready, after it has loaded its data.
#[path = "../../../body.rs"]
mod body;

use daemon_runtime::{Ready, daemon};

#[daemon(umask = 0o022, chdir = "/")]
fn main(ready: Ready) {
    body::load();
    let began = body::now();
    ready.notify();
    body::run(began);
}
