//! What the attribute's expansion calls. Not for people, and not stable.

use crate::{Daemon, Ready};

/// Makes the first call of all, which notes what is inherited.
pub fn daemon() -> Daemon {
    Daemon::new()
}

/// An expression that runs in the launcher, at the terminal, before anything else: parse arguments, read what the shell
/// passed, bind a privileged port. Main's first parameter takes its value, and the other options may use it.
///
/// For `fn main` alone: any other function has parameters.
pub fn setup() -> Daemon {
    // The name is the option's, so that rust-analyzer shows these lines there. The expression comes after the first call.
    daemon()
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
