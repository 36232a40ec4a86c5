//! Closures with several parameters and generic types, as the value of `setup`.
#![deny(warnings)]

use daemon_runtime::daemon;

mod borrowed {
    #[super::daemon(setup = &|a: u8, b: u8| a + b, foreground = true)]
    pub fn main(f: &dyn Fn(u8, u8) -> u8) {
        assert_eq!(f(1, 2), 3);
    }
}

mod returning {
    #[super::daemon(setup = || -> Result<u8, String> { Ok(3) }, foreground = f() == Ok(3))]
    pub fn main(f: fn() -> Result<u8, String>) {
        assert_eq!(f(), Ok(3));
    }
}

mod cast {
    pub struct P<A, B>(A, B);

    #[super::daemon(setup = P as fn(u8, u8) -> P<u8, u8>, foreground = true)]
    pub fn main(f: fn(u8, u8) -> P<u8, u8>) {
        let P(a, b) = f(1, 2);
        assert_eq!(a + b, 3);
    }
}

fn main() {
    borrowed::main();
    returning::main();
    cast::main();
}
