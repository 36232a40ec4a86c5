use daemon_runtime::daemon;

#[daemon]
fn serve(_: u8, ...) {}

fn main() {}
