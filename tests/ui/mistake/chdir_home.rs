use daemon_runtime::daemon;

#[daemon(chdir = "~/app")]
fn main() {}
