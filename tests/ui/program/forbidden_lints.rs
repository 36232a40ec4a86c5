//! What crates forbid and deny, and functions with a parameter for an option alone.
#![forbid(unsafe_code, unused_must_use, unused_mut)]
#![deny(missing_docs, unused, warnings)]

use daemon_runtime::{Ready, daemon};

struct Args {
    pid: String,
    rest: (u8, u8),
}

mod with_setup {
    use super::*;

    #[daemon(setup = [1, 2], foreground = true)]
    #[tokio::main]
    pub async fn main(mut numbers: [u8; 2], ready: Ready) {
        numbers.reverse();
        assert_eq!(numbers, [2, 1]);
        ready.notify();
    }
}

#[daemon(pid_file = path.as_deref(), foreground = true)]
#[tokio::main]
async fn for_an_option_alone(path: Option<String>, ready: Ready) {
    ready.notify();
}

#[daemon(foreground = true, chdir = if pid.is_empty() { format!("/{a}") } else { "/".into() })]
#[tokio::main]
async fn by_a_pattern(Args { pid, rest: (a, b) }: Args, _: [u8; 3], ready: Ready) {
    assert_eq!(b, 2);
    ready.notify();
}

#[daemon(setup = (Some(1), 2), foreground = number == &Some(1))]
#[tokio::main]
async fn main((number, _other): (Option<u8>, u8), ready: Ready) {
    // A process starts once.
    if std::env::args().count() > 9 {
        with_setup::main();
        for_an_option_alone(None);
        by_a_pattern(Args { pid: String::new(), rest: (1, 2) }, [0; 3]);
    }
    ready.notify();
}
