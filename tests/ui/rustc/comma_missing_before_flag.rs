use daemon_runtime::daemon;

#[daemon(chdir = "/" trace)]
fn main() {}
