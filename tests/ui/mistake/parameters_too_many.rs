use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3)]
fn main(number: u8, ready: Ready, more: &str) {
    println!("{number} {more}");
    ready.notify();
}
