use daemon_runtime::daemon;

#[daemon(start_timeout = 0)]
fn main() {}
