use daemon_runtime::daemon;

#[daemon(pid_file = "/run/", stdin = "..", stdout = "/var/log/.", stderr = Some("logs/.."))]
fn main() {}
