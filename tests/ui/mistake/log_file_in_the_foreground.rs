use daemon_runtime::daemon;

#[daemon(foreground = true, stdout = "/var/log/app.log", stderr = "/var/log/app.log")]
fn main() {}
