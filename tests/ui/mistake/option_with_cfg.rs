use daemon_runtime::daemon;

#[daemon(umask = 0, #[cfg(unix)] user = "nobody", #[cfg(unix)] trace)]
fn main() {}
