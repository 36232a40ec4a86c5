use daemon_runtime::daemon;

#[daemon(umask = if cfg!(unix) { 022 } else { 077 })]
fn main() {}
