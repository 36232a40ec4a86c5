use daemon_runtime::daemon;

#[daemon(umaks = 0, chrdir = "/", ignore_sigchild, no_core_dump)]
fn main() {}
