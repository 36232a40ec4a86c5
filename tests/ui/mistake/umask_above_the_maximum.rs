use daemon_runtime::daemon;

#[daemon(umask = 0o1777)]
fn main() {}
