use daemon_runtime::daemon;

#[daemon(user = 4294967295)]
fn main() {}
