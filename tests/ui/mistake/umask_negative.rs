use daemon_runtime::daemon;

#[daemon(umask = -1)]
fn main() {}
