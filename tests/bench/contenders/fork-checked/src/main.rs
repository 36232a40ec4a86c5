#[path = "../../body.rs"]
mod body;

use std::time::Duration;

use fork::{CheckedDaemon, DaemonOptions};

fn main() {
    body::load();
    let mut options = DaemonOptions::new();
    options.current_directory("/").expect("a path").redirect_standard_io_to_null().expect("/dev/null opens");
    match fork::checked_daemon(options, Duration::from_secs(5)).expect("it starts") {
        CheckedDaemon::Parent(_) => {}
        CheckedDaemon::Daemon(notifier) => {
            // SAFETY: umask(2) touches no memory and cannot fail. The crate leaves it to its user.
            unsafe { libc::umask(0o022) };
            let began = body::now();
            notifier.notify_ready().expect("the launcher listens");
            body::run(began);
        }
    }
}
