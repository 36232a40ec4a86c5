use daemon_runtime::daemon;

#[daemon(umask = 8)]
fn main() {}
