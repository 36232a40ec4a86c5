use daemon_runtime::daemon;

#[daemon(chdir = "var/lib/app")]
fn main() {}
