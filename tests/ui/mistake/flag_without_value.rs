use daemon_runtime::daemon;

#[daemon(no_core_dumps =)]
fn main() {}
