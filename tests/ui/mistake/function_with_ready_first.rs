use daemon_runtime::{Ready, daemon};

#[daemon]
fn serve(ready: Ready, name: &str) {
    ready.notify();
    let _ = name;
}

fn main() {}
