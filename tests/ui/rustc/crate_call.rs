use daemon_runtime::daemon;

#[daemon(crate = runtime())]
fn main() {}
