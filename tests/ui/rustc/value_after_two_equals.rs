use daemon_runtime::daemon;

#[daemon(umask == 0)]
fn main() {}
