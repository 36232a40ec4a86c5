use daemon_runtime::daemon;

#[daemon(umask = 0 chdir = "/")]
fn main() {}
