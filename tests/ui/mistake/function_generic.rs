use daemon_runtime::daemon;

#[daemon]
fn serve<T: Send>(_: T) {}

fn main() {}
