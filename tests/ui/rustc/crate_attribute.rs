use daemon_runtime::daemon;

#[daemon(crate = daemon_runtime::daemon)]
fn main() {}
