//! Values that have commas, bars, angle brackets and names of options in them.

use daemon_runtime::{Ready, daemon};

struct P<A, B>(A, B);

impl<A, B> P<A, B> {
    const ONE: u32 = 1;
}

fn call(f: impl Fn(u8, u8) -> u8) -> u8 {
    f(1, 2)
}

fn main() {
    first(3);
    second();
    third();
}

#[daemon(foreground = call(|a, umask| a + umask) == 3, umask = if let Some(user) = Some(number) { user } else { 0 }, trace = false)]
fn first(number: u32) {
    assert_eq!(number, 3);
}

#[daemon(foreground = { let f = |a: u8, b: u8| -> bool { a < b }; f(1, 2) || f(2, 1) }, umask = <P<u8, u8>>::ONE << 1)]
fn second(ready: Ready) {
    ready.notify();
}

#[daemon(foreground = (&|a: u8, b: u8| a + b) as &dyn Fn(u8, u8) -> u8 as *const dyn Fn(u8, u8) -> u8 as *const u8 != std::ptr::null::<u8>(), umask = P::<u8, u8>::ONE)]
fn third() {}
