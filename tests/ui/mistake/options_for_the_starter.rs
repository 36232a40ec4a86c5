use daemon_runtime::daemon;

#[daemon(Environment = "A=b", EnvironmentFile = "/etc/default/app", startsecs = 3, redirect_stderr = true, log_dir = "/var/log", exit_action = bye)]
fn main() {}
