use daemon_runtime::daemon;

#[daemon(setup)]
fn main() {}
