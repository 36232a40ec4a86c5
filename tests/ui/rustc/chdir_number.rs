use daemon_runtime::daemon;

#[daemon(chdir = 0)]
fn main() {}
