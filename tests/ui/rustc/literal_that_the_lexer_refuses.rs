use daemon_runtime::daemon;

#[daemon(pid_file = "C:\app\app.pid", user = 'nobody')]
fn main() {}
