//! Items in a body come after our statements, and clippy is not told to allow that: it may be forbidden to.
#![forbid(clippy::pedantic, clippy::items_after_statements, warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(foreground = true)]
fn main(ready: Ready) {
    fn helper() {}

    helper();
    ready.notify();
}
