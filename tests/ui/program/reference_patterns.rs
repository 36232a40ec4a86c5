//! Patterns with references, whose names are references in the options where a runtime's attribute stands below.
#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

mod with_setup {
    use super::*;

    #[daemon(setup = (&3u8, 4u8), foreground = *a + *b == 7)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main((&a, mut b): (&'static u8, u8), ready: Ready) {
        b += a;
        assert_eq!(b, 7);
        ready.notify();
    }
}

#[daemon(foreground = *a + *b == 3)]
#[tokio::main(flavor = "current_thread")]
async fn serve([&a, &b]: [&u8; 2], ready: Ready) -> u8 {
    ready.notify();
    a + b
}

fn main() {
    with_setup::main();
    assert_eq!(serve([&1, &2]), 3);
}
