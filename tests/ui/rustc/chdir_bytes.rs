use daemon_runtime::daemon;

#[daemon(chdir = b"/")]
fn main() {}
