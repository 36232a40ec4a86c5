use daemon_runtime::daemon;

#[daemon(trace; ignore_sigchld)]
fn main() {}
