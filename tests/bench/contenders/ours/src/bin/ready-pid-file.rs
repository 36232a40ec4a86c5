#[path = "../../../body.rs"]
mod body;

use daemon_runtime::{Ready, daemon};

#[daemon(umask = 0o022, chdir = "/", pid_file = "./pid")]
fn main(ready: Ready) {
    body::load();
    let began = body::now();
    ready.notify();
    body::run(began);
}
