use daemon_runtime::daemon;

#[daemon]
const fn serve() {}

fn main() {}
