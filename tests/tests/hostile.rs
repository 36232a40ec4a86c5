//! A daemon is the same whatever it was started in.
#![cfg(linux_alone)] // /proc shows what a process ignores and blocks.

use nix::sys::signal::Signal;
use tests::hostile::{self, Condition};
use tests::{Expected, Family};

const PROGRAMS: [&str; 4] = [
    env!("CARGO_BIN_EXE_literal"),
    env!("CARGO_BIN_EXE_without_ready"),
    env!("CARGO_BIN_EXE_ready"),
    env!("CARGO_BIN_EXE_by_hand"),
];

/// Starts each fixture in the conditions, and compares its daemon with one that was started in none.
#[track_caller]
fn same_under(conditions: impl Fn(&Family) -> Vec<Condition>) {
    for program in PROGRAMS {
        let family = Family::new();
        let launch = conditions(&family).into_iter().fold(family.launch(program), |launch, one| launch.under(one));
        launch.run().assert_code(0);
        Expected::default().assert(&family.daemon());
    }
}

#[test]
fn no_condition() {
    same_under(|_| vec![]);
}

#[test]
fn descriptors_open() {
    same_under(|_| vec![hostile::descriptors(200)]);
}

#[test]
fn signals_ignored() {
    same_under(|_| vec![hostile::ignored(&[Signal::SIGHUP, Signal::SIGCHLD])]);
    same_under(|_| vec![hostile::ignored(&[Signal::SIGINT, Signal::SIGTERM, Signal::SIGIO, Signal::SIGUSR1])]);
}

#[test]
fn signals_blocked() {
    same_under(|_| vec![hostile::blocked()]);
}

#[test]
fn umask_0777() {
    same_under(|_| vec![hostile::umask(0o777)]);
}

#[test]
fn deleted_directory() {
    same_under(|family| vec![hostile::deleted_directory(family.path("deleted"))]);
}

#[test]
fn streams_closed() {
    const STREAMS: [&[i32]; 7] = [&[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];
    for closed in STREAMS {
        same_under(|_| vec![hostile::closed(closed)]);
    }
}

#[test]
fn session_leader() {
    same_under(|_| vec![hostile::session_leader()]);
}

#[test]
fn most_descriptors() {
    same_under(|_| vec![hostile::most_descriptors()]);
}

/// No call more for a higher limit, and at most four for each inherited descriptor. A gap before them takes no more than some dozens;
/// twice as many with musl, whose fstat(3) looks again where nothing is open.
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell which numbers are open")]
#[cfg(target_arch = "x86_64")]
fn number_of_calls_is_linear_in_what_is_open() {
    let calls = |program, conditions: Vec<Condition>| {
        let family = Family::new();
        let launch = family.launch(program).args(["notify", "mark", "pause"]);
        let launch = conditions.into_iter().fold(launch, |launch, one| launch.under(one));
        let record = tests::tracer::trace(launch, |_| None, |_| ());
        assert!(record.body, "{record:#?}");
        record.calls.len()
    };
    // Numbers so high that what other tests have open makes no gap.
    let neighbours = || (300..500).map(|number| hostile::open(number, "/dev/null".into()));
    for program in [env!("CARGO_BIN_EXE_traced_literal"), env!("CARGO_BIN_EXE_by_hand")] {
        let all = calls(program, Vec::new());
        let limit_all = calls(program, vec![hostile::most_descriptors()]);
        let many_all = calls(program, neighbours().collect());
        assert!(limit_all <= all + 10, "{program}: {all} calls, and {limit_all} under the highest limit");
        assert!(many_all <= all + 4 * 200 + 240, "{program}: {all} calls, and {many_all} with 200 descriptors");
    }
}

#[test]
fn everything_at_once() {
    same_under(|family| {
        vec![
            hostile::descriptors(200),
            hostile::ignored(&[Signal::SIGHUP, Signal::SIGCHLD]),
            hostile::blocked(),
            hostile::deleted_directory(family.path("deleted")),
            hostile::umask(0o777),
            hostile::most_descriptors(),
            hostile::session_leader(),
            hostile::closed(&[0, 1, 2]),
        ]
    });
}
