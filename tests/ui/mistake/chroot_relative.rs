use daemon_runtime::daemon;

#[daemon(chroot = "var/empty")]
fn main() {}
