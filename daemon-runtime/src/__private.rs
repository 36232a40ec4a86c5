//! What the attribute's expansion calls. Not for people, and not stable.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Debug;
use std::ops::Deref;

pub use crate::Ready;
use crate::{Daemon, platform};

/// Makes the first call of all: notes what is inherited, and who is to be told if the program ends before it is ready.
pub fn daemon() -> Daemon {
    // The start tries again, and says why it cannot.
    let _ = platform::notify_if_start_fails();
    Daemon::new()
}

/// The options that have a value: the methods of [`Daemon`], and `setup`. rust-analyzer completes and documents an option's name
/// by this.
#[derive(Debug)]
pub struct Options(Daemon);

/// Makes the first call, before `setup` is evaluated.
pub fn options() -> Options {
    Options(daemon())
}

impl Options {
    /// An expression that runs in the launcher, at the terminal, before anything else: parse arguments, read what the shell
    /// passed, bind a privileged port. Main's first parameter takes its value, and the other options may use it.
    ///
    /// For `fn main` alone: any other function has parameters.
    pub fn setup(self) -> Daemon {
        self.0
    }
}

impl Deref for Options {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.0
    }
}

/// What main holds until its end, which waits for [`thread`](crate::thread)s.
#[must_use]
pub fn main_end() -> impl Drop {
    crate::thread::MainEnd
}

/// What main has returned, where an option's `?` can end it.
#[derive(Debug)]
pub struct Returned<R>(pub R);

impl<T, E: Debug> Returned<Result<T, E>> {
    /// Tells a supervisor that still waits for the start why there is none.
    pub fn report(&self) {
        if let Err(error) = &self.0 {
            platform::report_returned(error);
        }
    }
}

/// What is no `Result`, and tells nothing: a method is looked for here if there is none above.
#[derive(Debug)]
pub struct NoResult;

impl NoResult {
    /// Does nothing.
    pub fn report(&self) {}
}

impl<R> Deref for Returned<R> {
    type Target = NoResult;

    fn deref(&self) -> &NoResult {
        &NoResult
    }
}

/// Starts the daemon, or says why not and exits.
pub fn start(daemon: Daemon) -> Ready {
    daemon.start().unwrap_or_else(|error| error.exit())
}

/// What main's last parameter can be.
#[diagnostic::on_unimplemented(
    message = "expected `daemon_runtime::Ready`, found `{Self}`",
    label = "the last parameter is `ready: Ready`; for another value, which comes first, add `setup = …`"
)]
pub trait LastParameter {
    /// The only one.
    fn from_ready(ready: Ready) -> Self;
}

impl LastParameter for Ready {
    fn from_ready(ready: Ready) -> Self {
        ready
    }
}

/// Starts the daemon for a function with that parameter.
pub fn start_for_parameter<P: LastParameter>(daemon: Daemon) -> P {
    P::from_ready(start(daemon))
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
    let value = HANDED_OVER.with_borrow_mut(|values| {
        assert!(
            !values.is_empty(),
            "a runtime must call the function below `#[daemon]` once, on the thread that called it"
        );
        values.remove(0)
    });
    *value.downcast().expect("what was handed over is received in the same order")
}
