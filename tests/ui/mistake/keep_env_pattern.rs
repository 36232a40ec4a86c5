use daemon_runtime::daemon;

#[daemon(keep_env = ["LC_*", "LANG TERM", "$PATH"])]
fn main() {}
