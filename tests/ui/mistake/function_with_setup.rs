use daemon_runtime::daemon;

#[daemon(setup = 3)]
fn serve(_: u8) {}

fn main() {}
