#![deny(warnings)]

use daemon_runtime::daemon;

#[daemon(setup = print(), foreground = true)]
fn main() {
    let setup = 3;
    let daemon = setup;
    assert_eq!(daemon, 3);
}

fn print() {
    println!("usage");
}
