use daemon_runtime::daemon;

#[daemon(stdin = 0)]
fn main() {}
