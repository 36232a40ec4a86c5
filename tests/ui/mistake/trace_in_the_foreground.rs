use daemon_runtime::daemon;

#[daemon(foreground = true, trace)]
fn main() {}
