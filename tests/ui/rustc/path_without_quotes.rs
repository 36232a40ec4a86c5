use daemon_runtime::daemon;

#[daemon(chdir = /var/lib/app, pid_file = ~/app.pid)]
fn main() {}
