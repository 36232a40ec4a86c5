//! The daemon's state as it tells it itself, which needs nothing that only some systems have.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::sys::signal::Signal;
use tests::pty::Pty;
use tests::{Family, Launch, Proc, hostile};

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// Starts the daemon, and returns what it tells of its state.
fn state(launch: Launch<'_>) -> String {
    let family = launch.family();
    launch.args(["notify", "state=state", "touch=body", "pause"]).run().assert_code(0);
    family.daemon();
    fs::read_to_string(family.path("state")).expect("what the daemon has written")
}

#[track_caller]
fn assert_has(state: &str, lines: &[&str]) {
    for line in lines {
        assert!(state.lines().any(|it| it == *line), "{line:?} is not in:\n{state}");
    }
}

const DEFAULT: [&str; 10] = [
    "umask: 022",
    "directory: /",
    "leads its session: false",
    "is in the group of the session's leader: true",
    "has a terminal: false",
    "streams on /dev/null: 3",
    "open descriptors: 0 1 2",
    "ignored signals: SIGPIPE",
    "blocked signals: ",
    "variables: PATH",
];

#[test]
fn daemon_of_the_textbook() {
    let family = Family::new();
    assert_has(&state(family.launch(READY)), &DEFAULT);
    assert!(!Proc::lives(family.daemon().pgid), "the session leader is still there");
}

/// Whatever the shell has left, the daemon is the same.
#[test]
fn started_by_a_shell_that_leaves_much() {
    let family = Family::new();
    let terminal = Pty::open();
    let at_terminal = || terminal.launch(family.launch(READY));
    // So that what is said of the daemon can be wrong.
    at_terminal().env("DAEMON_FOREGROUND", "").args(["state=before", "exit=0"]).run().assert_code(0);
    let before = fs::read_to_string(family.path("before")).expect("what the program has written");
    assert_has(&before, &["leads its session: true", "has a terminal: true", "streams on /dev/null: 0"]);
    let launch = at_terminal().env("TERM", "xterm").env("SHLVL", "2").cwd(family.directory());
    let launch = launch.under(hostile::descriptors(30)).under(hostile::umask(0o077)).under(hostile::blocked());
    let launch = launch.under(hostile::ignored(&[Signal::SIGCHLD, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGTTOU]));
    assert_has(&state(launch), &DEFAULT);
}

#[test]
fn options() {
    let family = Family::new();
    let launch = family.launch(READY).env("DAEMON_UMASK", "0").env("DAEMON_CHDIR", family.directory());
    let launch = launch.env("DAEMON_IGNORE_SIGCHLD", "").env("DAEMON_STDERR", family.path("log")).env("KEPT", "");
    let directory = format!("directory: {}", family.directory().display());
    let lines = [
        "umask: 000",
        &directory,
        "streams on /dev/null: 2",
        "ignored signals: SIGCHLD SIGPIPE",
        "variables: KEPT PATH",
        "open descriptors: 0 1 2",
    ];
    assert_has(&state(launch), &lines);
}

/// What id(1) says of a user who exists everywhere.
fn id_of_nobody(option: &str) -> String {
    let output = Command::new("id").args([option, "nobody"]).output().expect("id(1)");
    assert!(output.status.success(), "{output:?}");
    let mut numbers: Vec<u32> =
        String::from_utf8_lossy(&output.stdout).split_whitespace().map(|it| it.parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "needs root"]
fn of_another_user() {
    let family = Family::new();
    fs::set_permissions(family.directory(), fs::Permissions::from_mode(0o777)).expect("it is this user's");
    let [user, group, groups] = ["-u", "-g", "-G"].map(id_of_nobody);
    let lines = [
        format!("users: {user} {user}"),
        format!("groups: {group} {group}"),
        format!("other groups: {groups}"),
        "can become root: false".into(),
    ];
    let state = state(family.launch(READY).env("DAEMON_USER", "nobody"));
    assert_has(&state, &lines.each_ref().map(|line| &**line));
}
