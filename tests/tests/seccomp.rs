//! System calls that a seccomp filter forbids.
#![cfg(target_arch = "x86_64")]

use nix::libc;
use tests::Family;

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// A body may confine itself before it is ready. What that forbids to the launch makes the start fail, and not hang.
#[test]
fn a_filter_of_the_body_forbids_a_call() {
    let killed = (159, "ready: cannot start the daemon: the daemon was killed by SIGSYS\n");
    let refused = (77, "ready: cannot listen to the launcher: Operation not permitted; ");
    let filters = [
        ("deadly", libc::SYS_read, killed),
        ("deadly", libc::SYS_close_range, killed),
        ("deny", libc::SYS_read, refused),
    ];
    for (filter, call, (code, says)) in filters {
        let family = Family::new();
        let pid_file = family.path("pid");
        let end = family.launch(READY).env("DAEMON_PID_FILE", &pid_file);
        let end = end.args([&format!("{filter}={call}"), "notify", "pause"]).run();
        end.assert_code(code).assert_one_line().assert_says(&[says]);
        assert!(!pid_file.exists(), "{filter}={call}");
        family.assert_gone();
    }
}
