use daemon_runtime::daemon;

#[daemon(crate)]
fn main() {}
