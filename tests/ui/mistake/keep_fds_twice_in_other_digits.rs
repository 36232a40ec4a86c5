use daemon_runtime::daemon;

#[daemon(keep_fds = [3, 0x3])]
fn main() {}
