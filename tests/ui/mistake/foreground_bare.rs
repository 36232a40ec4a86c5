use daemon_runtime::daemon;

#[daemon(foreground)]
fn main() {}
