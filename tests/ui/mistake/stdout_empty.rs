use daemon_runtime::daemon;

#[daemon(stdout = "")]
fn main() {}
