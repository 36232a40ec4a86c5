use daemon_runtime::daemon;

#[daemon(pid_file = "/run/app/app", stderr = "/run/app/app", stdout = "/run//app/./app")]
fn main() {}
