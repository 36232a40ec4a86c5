use daemon_runtime::daemon;

#[daemon(chdir = "/var\0/lib")]
fn main() {}
