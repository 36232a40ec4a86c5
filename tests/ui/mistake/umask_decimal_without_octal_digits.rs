use daemon_runtime::daemon;

#[daemon(umask = 88)]
fn main() {}
