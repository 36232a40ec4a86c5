use daemon_runtime::daemon;

#[daemon(pid-file = "/run/app.pid")]
fn main() {}
