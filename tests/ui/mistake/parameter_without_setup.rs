use daemon_runtime::{Ready, daemon};

#[daemon]
fn main(ready: Ready, arguments: Vec<String>) {
    println!("{arguments:?}");
    ready.notify();
}
