use daemon_runtime::daemon;

#[daemon(type = forking)]
fn main() {}
