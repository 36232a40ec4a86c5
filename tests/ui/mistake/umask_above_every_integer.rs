use daemon_runtime::daemon;

#[daemon(umask = 0xffff_ffff_ffff_ffff_ffff)]
fn main() {}
