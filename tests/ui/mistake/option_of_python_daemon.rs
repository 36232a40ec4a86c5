use daemon_runtime::daemon;

#[daemon(files_preserve = [3], prevent_core = true, detach_process = true)]
fn main() {}
