use daemon_runtime::daemon;

#[daemon]
mod app {
    pub fn main() {}
}

fn main() {
    app::main();
}
