#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

mod core {}
mod std {}
#[allow(dead_code)]
mod option {
    pub struct Option;
}

// The names that the macro itself uses.
#[daemon(setup = (3, 4), foreground = daemon + value == 7)]
fn main((daemon, value): (u32, u32), ready: Ready) {
    assert_eq!(daemon, 3);
    assert_eq!(value, 4);
    ready.notify();
    nested::main();
}

mod nested {
    use super::*;

    #[daemon(setup = 3, foreground = daemon == 3)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main(daemon: u32, value: Ready) {
        assert_eq!(daemon, 3);
        value.notify();
    }
}
