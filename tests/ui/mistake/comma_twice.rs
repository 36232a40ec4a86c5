use daemon_runtime::daemon;

#[daemon(umask = 0,, trace)]
fn main() {}
