use daemon_runtime::daemon;

#[daemon(Restart = "always")]
fn main() {}
