use daemon_runtime::daemon;

#[daemon]
struct App;

fn main() {}
