use daemon_runtime::daemon;

#[daemon(reopen_on_sighup, stdin = "/dev/zero")]
fn main() {}

#[daemon(reopen_on_sighup, stderr = None, stdout = Option::None)]
fn serve() {}
