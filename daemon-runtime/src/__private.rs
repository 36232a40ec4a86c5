//! What the attribute's expansion calls. Not for people, and not stable.

use std::any::Any;
use std::cell::RefCell;

use crate::{Daemon, Ready, supervisor};

/// The first call of all: notes what is inherited, if code of the program that comes before the start may open more, and
/// who is to be told if that code ends the program.
pub fn daemon(_user_code: bool) -> Daemon {
    // The start tries again, and says why it cannot.
    let _ = supervisor::notify_if_start_fails();
    Daemon::new()
}

/// What main holds until its end, which waits for [`thread`](crate::thread)s.
#[must_use]
pub fn main_end() -> impl Drop {
    crate::thread::MainEnd
}

/// Starts the daemon, or says why not and exits.
pub fn start(daemon: Daemon) -> Ready {
    daemon.start().unwrap_or_else(|error| error.exit())
}

thread_local! {
    static HANDED: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Hands a value to a nested main, which [`take`]s it.
pub fn put<T: 'static>(value: T) {
    HANDED.with_borrow_mut(|handed| handed.push(Box::new(value)));
}

/// Takes what was put, in the same order.
pub fn take<T: 'static>() -> T {
    let value = HANDED.with_borrow_mut(|handed| handed.remove(0));
    *value.downcast().expect("what was put is taken in the same order")
}
