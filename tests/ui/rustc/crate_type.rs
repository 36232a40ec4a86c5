use daemon_runtime::daemon;

#[daemon(crate = daemon_runtime::Daemon)]
fn main() {}
