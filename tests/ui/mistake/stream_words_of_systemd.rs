use daemon_runtime::daemon;

#[daemon(stdout = "journal", stderr = "append:/var/log/app.log", stdin = "null")]
fn main() {}
