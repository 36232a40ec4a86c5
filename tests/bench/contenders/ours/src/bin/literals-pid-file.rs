#[path = "../../../body.rs"]
mod body;

use daemon_runtime::daemon;

#[daemon(umask = 0o022, chdir = "/", pid_file = "./pid")]
fn main() {
    body::load();
    body::run(body::now());
}
