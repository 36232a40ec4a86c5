use daemon_runtime::daemon;

#[daemon(user = -1)]
fn main() {}
