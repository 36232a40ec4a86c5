use daemon_runtime::daemon;

#[daemon(start_timeout = -1)]
fn main() {}
