use daemon_runtime::daemon;

#[daemon(user = www-data, group = www-data)]
fn main() {}
