//! Items have no hygiene: a body that calls a function of the user's calls that one, whatever it is called.
#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(foreground = main_end() == 3, umask = u32::from(daemon_main(0)))]
fn main(ready: Ready) {
    ready.notify();
    assert_eq!(daemon_main(1) + main_end() + start() + inner(), 12);
    if std::env::args().count() > 9 {
        main();
    }
}

#[daemon(foreground = true)]
fn daemon_main(number: u8) -> u8 {
    if number > 0 { daemon_main(number - 1) + 1 } else { 3 }
}

fn main_end() -> u8 {
    3
}

fn start() -> u8 {
    2
}

#[daemon(foreground = true)]
fn inner() -> u8 {
    fn inner() -> u8 {
        3
    }
    inner()
}
