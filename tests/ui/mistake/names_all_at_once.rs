use daemon_runtime::daemon;

#[daemon(umask = 0, forground, pidfile, uid = 3, trace, verbose)]
fn main() {}
