//! System calls that this kernel lacks, or that a seccomp filter forbids.
#![cfg(linux_alone)] // Seccomp(2).
#![cfg(target_arch = "x86_64")]

use std::path::Path;

use nix::errno::Errno;
use nix::libc;
use tests::{Family, Launch, Proc, hostile};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const CONTROL: &str = env!("CARGO_BIN_EXE_control");

/// Linux 4.18 has none of these calls (ENOSYS); valgrind, and Docker before 20.10.10, know some and not others, or forbid
/// them (EPERM). There are slower ways.
#[test]
fn newer_calls_are_not_needed() {
    const NEWER: [libc::c_long; 2] = [libc::SYS_pidfd_open, libc::SYS_pidfd_send_signal];
    for calls in [&NEWER[..], &NEWER[..1], &NEWER[1..]] {
        for errno in [Errno::ENOSYS, Errno::EPERM] {
            let family = Family::new();
            let pid_file = family.path("pid");
            let under = |launch| {
                calls.iter().fold(launch, |launch: Launch<'_>, call| launch.under(hostile::denied(*call, errno)))
            };
            let launch = family.launch(READY).env("DAEMON_PID_FILE", &pid_file).under(hostile::descriptors(50));
            let end = under(launch).run();
            assert_eq!(end.status.code(), Some(0), "{calls:?} with {errno}: {end:#?}");
            let daemon = family.daemon();
            let open: Vec<_> = daemon.fds.values().collect();
            let null = Path::new("/dev/null");
            assert_eq!(open, [null, null, null, &pid_file], "{calls:?} with {errno}");
            let end = under(family.launch(CONTROL).arg(&pid_file).arg("stop")).run();
            assert_eq!(end.status.code(), Some(0), "stop without {calls:?}, with {errno}: {end:#?}");
            family.assert_nothing_left(&pid_file);
        }
    }
}

/// 424 and all that follow are newer than Linux 4.18. The whole suite runs under the same filter in `.ci/foreign`.
#[test]
fn a_kernel_without_any_newer_call() {
    let old = |launch: Launch<'_>| launch.under(hostile::missing_from(libc::SYS_pidfd_send_signal)).run();
    for program in [READY, env!("CARGO_BIN_EXE_without_ready"), env!("CARGO_BIN_EXE_verbs")] {
        let family = Family::new();
        let [log, pid_file] = ["log", "pid"].map(|name| family.path(name));
        let launch = family.launch(program).env("DAEMON_VERB", "spawn").env("DAEMON_PID_FILE", &pid_file);
        let launch = launch.env("DAEMON_STDERR", &log).args(["notify", "eprint=line", "touch=body", "pause"]);
        old(launch.under(hostile::descriptors(50))).assert_code(0);
        let daemon = family.daemon();
        let end = old(family.launch(READY).env("DAEMON_PID_FILE", &pid_file));
        assert!(end.stderr.contains("held by process"), "{program}: {end:#?}");
        let end = old(family.launch(CONTROL).arg(&pid_file).arg("stop"));
        assert_eq!(end.status.code(), Some(0), "{program} cannot be stopped: {end:#?}");
        assert!(!Proc::lives(daemon.pid), "{program} still runs");
        family.assert_nothing_left(&pid_file);
    }
}

/// A body may confine itself before it is ready. Where that forbids to say so, the start fails.
#[test]
fn a_filter_of_the_body_forbids_a_call() {
    let filters = [
        ("deadly", 159, "ready: cannot start the daemon: the daemon was killed by SIGSYS\n"),
        ("deny", 77, "ready: cannot say that it is ready: Operation not permitted; "),
    ];
    for (filter, code, says) in filters {
        let family = Family::new();
        let pid_file = family.path("pid");
        let launch = family.launch(READY).env("DAEMON_PID_FILE", &pid_file);
        let end = launch.args([&format!("{filter}={}", libc::SYS_sendto), "notify", "pause"]).run();
        end.assert_code(code).assert_one_line().assert_says(&[says]);
        family.assert_nothing_left(&pid_file);
    }
}

/// A unit with RestrictAddressFamilies= that leaves out AF_UNIX: systemd's filter says so by this error.
#[test]
fn notify_socket_is_out_of_reach() {
    let family = Family::new();
    let path = family.path("notify");
    let _socket = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
    let launch = family.launch(READY).env("NOTIFY_SOCKET", &path);
    let end = launch.under(hostile::denied(libc::SYS_socket, Errno::EAFNOSUPPORT)).run();
    end.assert_code(71)
        .assert_one_line()
        .assert_says(&["cannot connect to NOTIFY_SOCKET", "allow AF_UNIX in RestrictAddressFamilies="]);
}
