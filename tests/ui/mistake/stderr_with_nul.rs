use daemon_runtime::daemon;

#[daemon(stderr = "app.log\0")]
fn main() {}
