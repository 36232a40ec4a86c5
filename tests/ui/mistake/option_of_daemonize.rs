use daemon_runtime::daemon;

#[daemon(working_directory = "/", privileged_action = bind(), chown_pid_file = true)]
fn main() {}
