//! Items in all orders in the body, with braces and angle brackets in them.

use daemon_runtime::{Ready, daemon};

#[daemon(foreground = true)]
fn main(ready: Ready) {
    #![allow(dead_code)]
    use std::io;
    const N: usize = 4;
    struct Ring<T, const M: usize> {
        items: [Option<T>; M],
    }
    impl<T> Ring<T, { N * 2 }> {
        fn len(&self) -> usize {
            self.items.len()
        }
    }
    struct S<const A: u8, const B: u8>;
    impl S<3, { 1 + 2 }> {
        fn f(&self) {}
    }
    fn s() -> S<3, { 3 }> {
        S
    }
    s().f();
    ready.notify();
    assert_eq!(Ring::<u8, 8> { items: [None; 8] }.len(), 8);
    let _ = io::stdin();
}
