use daemon_runtime::daemon;

#[daemon]
extern "C" fn serve(_: i32) {}

fn main() {}
