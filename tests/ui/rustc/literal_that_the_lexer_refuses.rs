use daemon_runtime::daemon;

#[daemon(pid_file = "C:\app\app.pid", user = 'nobody')]
fn main() {}

#[daemon(umask = 0o8)]
fn serve() {}
