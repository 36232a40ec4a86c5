use daemon_runtime::daemon;

#[daemon(umask = 0)]
#[daemon(chdir = "/")]
fn main() {}
