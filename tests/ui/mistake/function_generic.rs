use daemon_runtime::daemon;

#[daemon]
fn serve<T: Send>(_: T) {}

#[daemon]
fn calls<T: Fn(u8) -> u8, const N: usize>(_: T, _: [u8; N]) {}

fn main() {}
