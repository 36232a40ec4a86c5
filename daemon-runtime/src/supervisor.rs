//! Who started this process: a shell, or a supervisor that wants it in the foreground.

use std::env;
use std::os::fd::RawFd;

/// Whether a supervisor runs this process, which then must not detach.
pub fn supervised() -> bool {
    let own = |name| is_own_pid(name);
    std::process::id() == 1
        || env::var_os("NOTIFY_SOCKET").is_some()
        || own("LISTEN_PID")
        || own("SYSTEMD_EXEC_PID") && env::var_os("PIDFILE").is_none()
}

fn is_own_pid(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == std::process::id().to_string())
}

/// The sockets that systemd passed to this process: sd_listen_fds(3).
pub(crate) fn passed_sockets() -> std::ops::Range<RawFd> {
    const FIRST: RawFd = 3;
    let count = match is_own_pid("LISTEN_PID") {
        true => env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<u16>().ok()).unwrap_or(0),
        false => 0,
    };
    FIRST..FIRST + RawFd::from(count)
}
