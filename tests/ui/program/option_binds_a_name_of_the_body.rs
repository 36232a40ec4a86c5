//! What an option binds itself is no item of the body, whatever that is called.
#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

struct Pair {
    helper: u32,
    other: u32,
}

enum Kind {
    One(u32),
    Two { one: u32 },
}

#[daemon(
    umask = [Pair { helper: 0o22, other: 0 }].iter().map(|Pair { helper, other }| helper | other).max(),
    chdir = Some("/").map(|helper: &str| -> &str { helper }),
    pid_file = {
        let helper: Option<String> = None;
        helper.map(move |inner| format!("{inner}.pid"))
    },
    keep_env = {
        let mut inner = Vec::new();
        for (at, helper) in ["A", "B"].into_iter().enumerate() {
            inner.extend((at < 1).then_some(helper));
        }
        inner
    },
    user = if let Kind::One(helper) = Kind::One(3) { Some(helper) } else { None }
        .filter(|_| false),
    group = match (Kind::Two { one: 3 }, 4) {
        (Kind::One(helper), _) if helper > 3 => Some(helper),
        (Kind::Two { one: inner }, other) if inner > 9 => Some(other),
        _ => None::<u32>,
    },
    foreground = Some(true).is_some_and(|helper| helper),
)]
#[tokio::main(flavor = "current_thread")]
async fn main(ready: Ready) {
    fn helper() {}
    use std::convert::identity as inner;
    const OTHER: u8 = 3;
    fn other() {}

    helper();
    ready.notify();
    inner(OTHER);
    other();
}
