use daemon_runtime::daemon;

#[daemon(trace, trace = true)]
fn main() {}
