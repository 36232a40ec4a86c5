use daemon_runtime::daemon;

#[daemon(keep_env = "RUST_LOG")]
fn main() {}
