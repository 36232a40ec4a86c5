use daemon_runtime::daemon;

#[daemon(start_timeout = "90s")]
fn main() {}
