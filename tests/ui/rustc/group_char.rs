use daemon_runtime::daemon;

#[daemon(group = 'w')]
fn main() {}
