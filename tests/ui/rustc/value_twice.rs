use daemon_runtime::daemon;

#[daemon(pid_file = "/run/a.pid" "/run/b.pid", umask = 0 3)]
fn main() {}
