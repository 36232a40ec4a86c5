use daemon_runtime::daemon;

#[daemon(group = "")]
fn main() {}
