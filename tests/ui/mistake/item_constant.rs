use daemon_runtime::daemon;

#[daemon]
const MAIN: fn() = main;

fn main() {
    let _ = MAIN;
}
