use daemon_runtime::daemon;

struct App;

impl App {
    #[daemon]
    fn main(&self) {}
}

fn main() {}
