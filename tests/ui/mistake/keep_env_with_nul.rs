use daemon_runtime::daemon;

#[daemon(keep_env = ["RUST\0LOG"])]
fn main() {}
