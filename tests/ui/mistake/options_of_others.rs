use daemon_runtime::daemon;

#[daemon(pidfile_path = "/a", log_dir = "/b", capabilities = "c", syslog = true, name = "d", exit_action = f())]
fn main() {}
