use daemon_runtime::{Ready, daemon};

#[daemon]
fn serve(ready: Ready, name: &str) {
    ready.notify();
    println!("{name}");
}

fn main() {}
