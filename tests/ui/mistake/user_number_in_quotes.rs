use daemon_runtime::daemon;

#[daemon(user = "1000", group = "0")]
fn main() {}
