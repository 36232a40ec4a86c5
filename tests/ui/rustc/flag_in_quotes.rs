use daemon_runtime::daemon;

#[daemon(trace = "yes")]
fn main() {}
