//! Names in patterns that are also unit structs or constants, and parameters that are called so.
#![deny(warnings)]
#![allow(non_camel_case_types, non_upper_case_globals)]

use daemon_runtime::{Ready, daemon};

#[derive(Clone, Copy)]
struct Config;
struct args;
const NOTHING: () = ();

mod with_setup {
    use super::*;

    #[daemon(setup = args, foreground = is_set(&args))]
    pub fn main(args: args) {
        assert!(is_set(&args));
    }

    fn is_set(_: &args) -> bool {
        true
    }
}

#[daemon(foreground = **a == 3)]
fn in_a_pattern((Config, &a, NOTHING): (Config, &u8, ()), ready: Ready) -> u8 {
    ready.notify();
    let _ = Config;
    a
}

#[daemon(foreground = { let Config = Config; true })]
#[tokio::main(flavor = "current_thread")]
async fn alone(Config: Config, NOTHING: (), ready: Ready) {
    ready.notify();
}

struct Pair<A, B> {
    a: A,
    b: B,
}

#[daemon(foreground = a == &"a" && **c == 4)]
fn with_types(Pair::<&str, &u8> { a, b: &c }: Pair<&str, &u8>) -> usize {
    a.len() + usize::from(c)
}

#[daemon(foreground = name.len() + usize::from(*first) == 5)]
fn bound(ref name: String, [first, ref rest @ ..]: [u8; 3]) -> usize {
    name.len() + rest.len() + usize::from(first)
}

fn main() {
    with_setup::main();
    assert_eq!(in_a_pattern((Config, &3, ())), 3);
    alone(Config, ());
    assert_eq!(with_types(Pair { a: "a", b: &4 }), 5);
    assert_eq!(bound("name".into(), [1, 2, 3]), 7);
}
