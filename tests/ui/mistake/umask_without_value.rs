use daemon_runtime::daemon;

#[daemon(umask = , trace)]
fn main() {}
