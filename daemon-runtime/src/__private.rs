//! What the attribute's expansion calls. Not for people, and not stable.

use std::any::Any;
use std::cell::RefCell;

use crate::{Daemon, Ready, platform};

/// Makes the first call of all: notes what is inherited, and who is to be told if the program ends before it is ready.
pub fn daemon() -> Daemon {
    // The start tries again, and says why it cannot.
    let _ = platform::notify_if_start_fails();
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
    static HANDED_OVER: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// Hands a value to a nested function, which [`receive`]s it.
pub fn hand_over<T: 'static>(value: T) {
    HANDED_OVER.with_borrow_mut(|values| values.push(Box::new(value)));
}

/// Receives what was handed over, in the same order.
pub fn receive<T: 'static>() -> T {
    let value = HANDED_OVER.with_borrow_mut(|values| values.remove(0));
    *value.downcast().expect("what was handed over is received in the same order")
}
