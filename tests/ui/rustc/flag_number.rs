use daemon_runtime::daemon;

#[daemon(ignore_sigchld = 1)]
fn main() {}
