//! Items with the names that the expansion might use.
#![allow(non_camel_case_types, non_upper_case_globals)]

use daemon_runtime::{Ready, daemon as d};

static daemon: u8 = 3;
struct ready;
struct value;
struct _main_end;

#[d(foreground = true, trace = a > 20)]
fn direct(a: u8, r: Ready) {
    r.notify();
    assert_eq!(a + daemon, 7);
}

#[d(foreground = true, trace = *a > 20)]
#[tokio::main(flavor = "current_thread")]
async fn nested((a, &b): (u8, &u8), r: Ready) {
    r.notify();
    assert_eq!(a + b + daemon, 10);
}

fn main() {
    let _ = (ready, value, _main_end);
    direct(4);
    nested((3, &4));
}
