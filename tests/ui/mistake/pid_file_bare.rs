use daemon_runtime::daemon;

#[daemon(pid_file)]
fn main() {}
