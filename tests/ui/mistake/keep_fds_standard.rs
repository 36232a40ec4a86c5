use daemon_runtime::daemon;

#[daemon(keep_fds = [0, 1, 2])]
fn main() {}
