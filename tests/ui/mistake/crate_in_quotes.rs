use daemon_runtime::daemon;

#[daemon(crate = "::daemon_runtime")]
fn main() {}
