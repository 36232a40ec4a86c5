use daemon_runtime::daemon;

#[daemon(nochdir = 1, noclose)]
fn main() {}
