use daemon_runtime::{Ready, daemon};

#[daemon]
fn main(arguments: Vec<String>, ready: Ready) {
    println!("{arguments:?}");
    ready.notify();
}
