use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3)]
fn main(number: u8, more: &str, ready: Ready) {
    println!("{number} {more}");
    ready.notify();
}
