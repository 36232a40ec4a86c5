use daemon_runtime::daemon;

#[daemon]
unsafe fn serve() {}

fn main() {}
