use daemon_runtime::daemon;

#[daemon(reopen_on_sighup, stdin = "/dev/zero")]
fn main() {}
