use daemon_runtime::daemon;

#[daemon(user = "www-data", uid = 33)]
fn main() {}
