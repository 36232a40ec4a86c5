use daemon_runtime::daemon;

#[daemon(pid_file = "~/app.pid", stderr = "$HOME/app.log")]
fn main() {}
