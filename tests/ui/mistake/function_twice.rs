use daemon_runtime::daemon;

#[daemon]
#[daemon(umask = 0)]
fn serve() {}

fn main() {}
