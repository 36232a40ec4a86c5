use daemon_runtime::daemon;

#[daemon(UMask = 0, pidFile = "/run/app.pid")]
fn main() {}
