//! Waiting for what has no event to wait for: asked again and again, and never for ever.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long anything in these tests may take. Generous, as a loaded machine is no failure; a hang is.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The first `Some` of `ask`, or `None` once `limit` is over.
pub fn within<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(Duration::from_millis(2));
    }
}

/// The first `Some` of `ask`; a panic that says `what` did not come once the deadline is over.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(DEADLINE, ask).unwrap_or_else(|| panic!("not within {DEADLINE:?}: {what}"))
}
