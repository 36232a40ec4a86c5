use daemon_runtime::daemon;

#[daemon(keep_env = [3])]
fn main() {}
