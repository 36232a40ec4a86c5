use daemon_runtime::daemon;

#[daemon(start_timeout = 5, foreground = true)]
fn main() {}
