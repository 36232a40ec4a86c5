use daemon_runtime::{Ready, daemon};

#[daemon(setup = "x".len())]
fn main(name: String, ready: Ready) {
    println!("{name}");
    ready.notify();
}
