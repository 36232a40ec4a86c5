use daemon_runtime::daemon;

#[daemon(pid_file => "/run/a.pid")]
fn main() {}
