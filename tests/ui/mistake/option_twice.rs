use daemon_runtime::daemon;

#[daemon(umask = 0, chdir = "/", umask = 0o022)]
fn main() {}
