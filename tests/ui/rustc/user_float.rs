use daemon_runtime::daemon;

#[daemon(user = 1.5)]
fn main() {}
