use daemon_runtime::daemon;

#[daemon(pid_file = r"")]
fn main() {}
