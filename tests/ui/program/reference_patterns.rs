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

/// What the documentation says of them.
fn is_set(foreground: &bool, level: &&u8, inner: &u8, name: &&str) -> bool {
    *foreground && **level == 3 && *inner == 4 && *name == "x"
}

struct Inner {
    inner: u8,
}

mod documented {
    use super::*;

    #[daemon(
        setup = (true, &3, &Inner { inner: 4 }, "x"),
        foreground = is_set(foreground, level, inner, name),
    )]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main((foreground, &level, &Inner { inner }, name): (bool, &'static u8, &'static Inner, &'static str)) {
        assert!(is_set(&foreground, &&level, &inner, &name));
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
    documented::main();
    assert_eq!(serve([&1, &2]), 3);
}
