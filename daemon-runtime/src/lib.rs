//! Placeholder of the first commit.
mod daemon;
mod value;

pub use daemon::Daemon;
pub use daemon_macro::daemon;
pub use value::{Id, Value};

/// The right to say that the daemon is ready.
#[must_use = "the launcher waits until `notify` is called"]
#[derive(Debug)]
pub struct Ready {}

impl Ready {
    /// Says that the daemon is ready.
    pub fn notify(self) {}
}

/// What went wrong.
pub struct Error {}

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("placeholder")
    }
}

/// Whether a supervisor started this process.
pub fn supervised() -> bool {
    false
}

/// What the attribute's expansion calls. Not for people.
#[doc(hidden)]
pub mod __private {
    use crate::{Daemon, Ready};
    use std::any::Any;
    use std::cell::RefCell;

    /// The first call of all: notes what is open now, if `setup` is about to open more.
    pub fn daemon(_has_setup: bool) -> Daemon {
        Daemon::new()
    }

    /// Starts the daemon, or says why not and exits.
    pub fn start(_daemon: Daemon) -> Ready {
        Ready {}
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
}
