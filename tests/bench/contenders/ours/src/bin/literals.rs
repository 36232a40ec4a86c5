//! The options are literals, and the daemon is ready when its body begins.
#[path = "../../../body.rs"]
mod body;

use daemon_runtime::daemon;

#[daemon(umask = 0o022, chdir = "/")]
fn main() {
    body::load();
    body::run(body::now());
}
