use daemon_runtime::daemon;

#[daemon(log_file = "/var/log/app.log")]
fn main() {}
