#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3, foreground = true)]
fn main(number: u8, ready: Ready) {
    #![allow(non_camel_case_types, unused_braces)]
    use std::collections::{BTreeMap as map, BTreeSet};
    const THREE: u8 = 3;
    static FOUR: [u8; { 2 + 2 }] = [4; 4];
    type Set = BTreeSet<u8>;
    #[derive(Clone, Copy)]
    struct Pair(u8, u8);
    struct Named<const N: usize> {
        _field: [u8; N],
    }
    enum Either {
        _A(u8),
        B { b: u8 },
    }
    trait Answer {
        fn answer(&self) -> u8;
    }
    impl Answer for Named<{ 3 }> {
        fn answer(&self) -> u8 {
            2
        }
    }
    impl Answer for Pair {
        fn answer(&self) -> u8 {
            self.0 + self.1
        }
    }
    macro_rules! plus {
        ($a:expr) => {
            $a + 1
        };
    }
    mod inner {
        pub const fn one() -> u8 {
            1
        }
    }
    const fn constant() -> u8 {
        3
    }
    async fn asynchronous() {}
    fn returns() -> [u8; 3] {
        [THREE; 3]
    }
    const { assert!(THREE == 3) };
    let all: map<Set, Pair> = map::from([(Set::from(returns()), Pair(1, FOUR[0]))]);
    let b = Either::B { b: 0 };
    if let Either::B { b } = b {
        assert_eq!(all.values().next().unwrap().answer() + b, plus!(constant()) + inner::one());
    }
    assert_eq!(Named::<3> { _field: [0; 3] }.answer(), 2);
    drop(asynchronous());
    assert_eq!(number, THREE);
    ready.notify();
}
