use std::cell::Cell;

use daemon_runtime::daemon;

thread_local!(static COUNT: Cell<u32> = const { Cell::new(0) });

fn count() -> u32 {
    COUNT.set(COUNT.get() + 1);
    COUNT.get()
}

#[daemon(
    umask = { assert_eq!(count(), 2); 0 },
    foreground = { assert_eq!(count(), 3); true },
    setup = count(),
)]
fn main(first: u32) {
    assert_eq!(first, 1);
    assert_eq!(count(), 4);
}
