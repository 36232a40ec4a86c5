use daemon_runtime::daemon;

#[daemon(keep_fds = vec![3, 2])]
fn main() {}
