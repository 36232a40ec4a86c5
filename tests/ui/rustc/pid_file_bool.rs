use daemon_runtime::daemon;

#[daemon(pid_file = true)]
fn main() {}
