use daemon_runtime::daemon;

#[daemon(Type = "forking", PIDFile = "/run/app.pid", StandardError = "/var/log/app.log", TimeoutStartSec = 9)]
fn main() {}
