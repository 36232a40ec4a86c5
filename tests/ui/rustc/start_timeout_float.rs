use daemon_runtime::daemon;

#[daemon(start_timeout = 1.5)]
fn main() {}
