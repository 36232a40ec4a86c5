use daemon_runtime::daemon;

#[daemon(no_trace, notrace = true)]
fn main() {}
