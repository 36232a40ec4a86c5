use daemon_runtime::daemon;

struct App;

#[daemon]
impl App {}

fn main() {}
