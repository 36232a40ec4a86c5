use daemon_runtime::daemon;

#[daemon(umas = 0)]
fn main() {
    let text = String::new();
    text.
}
