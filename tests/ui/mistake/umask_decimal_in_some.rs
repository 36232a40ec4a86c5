use daemon_runtime::daemon;

#[daemon(umask = Some((22)))]
fn main() {}
