use daemon_runtime::daemon;

#[daemon(foreground = "true")]
fn main() {}
