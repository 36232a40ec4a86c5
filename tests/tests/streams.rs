//! stdin, and what becomes of stdout and stderr when the daemon is ready. Log files have `logs.rs`.

use std::fs;

use tests::{Expected, Family};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");
const CLOSED: [&[u32]; 7] = [&[0], &[1], &[2], &[0, 1], &[0, 2], &[1, 2], &[0, 1, 2]];

#[test]
fn stdin_is_read_from_its_file() {
    let family = Family::new();
    let file = family.path("in");
    fs::write(&file, "").expect("a file in the directory");
    family.launch(WITHOUT_READY).env("DAEMON_STDIN", &file).run().assert_code(0);
    let null = || "/dev/null".into();
    Expected { streams: [file, null(), null()], ..Expected::default() }.assert(&family.daemon());
}

/// What `print!` left in the buffer appears once.
#[test]
fn buffered_output_appears_once() {
    for program in [WITHOUT_READY, READY] {
        let family = Family::new();
        let end = family.launch(program).env("DAEMON_PRINT", "no newline").run();
        end.assert_code(0);
        assert_eq!(end.stdout, "no newline");
    }
}

/// What is printed before ready is seen at the terminal, what is printed after it is not.
#[test]
fn streams_switch_when_ready() {
    let family = Family::new();
    let log = family.path("log");
    let words = ["print=early", "eprint=alas", "notify", "print=late", "eprint=later", "touch=body", "pause"];
    let end = family.launch(READY).args(words).env("DAEMON_STDOUT", &log).env("DAEMON_STDERR", &log).run();
    end.assert_code(0).assert_stderr("alas\n");
    assert_eq!(end.stdout, "early\n");
    family.daemon();
    assert_eq!(fs::read_to_string(&log).expect("the log file"), "late\nlater\n");
}

/// `setup` closes standard streams: none of the start's files gets their numbers, and the daemon has all three.
#[test]
fn closed_by_setup() {
    for closed in CLOSED {
        let family = Family::new();
        let pid_file = family.path("pid");
        let setup: String = closed.iter().map(|number| format!("close={number}\n")).collect();
        let launch = family.launch(env!("CARGO_BIN_EXE_opens_in_setup")).env("DAEMON_SETUP", setup);
        launch.env("DAEMON_PID_FILE", &pid_file).run().assert_code(0).assert_stderr("");
        let daemon = family.daemon();
        let expected = Expected { others: vec![pid_file], caught: vec![1, 2, 3, 6, 7, 11, 15], ..Expected::default() };
        expected.assert(&daemon);
    }
}

/// Nor does what a service prints get into its pid file.
#[test]
fn closed_by_setup_in_the_foreground() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let launch = family.launch(env!("CARGO_BIN_EXE_opens_in_setup")).env("DAEMON_SETUP", "close=0\nclose=1\nclose=2");
    let launch = launch.env("DAEMON_FOREGROUND", "1").env("DAEMON_PID_FILE", &pid_file);
    let _running = launch.args(["notify", "print=text", "eprint=text", "touch=body", "pause"]).start();
    let daemon = tests::until("the body", || family.path("body").is_symlink().then(|| family.daemon()));
    assert_eq!(daemon.fds.values().take(3).map(|path| path.as_os_str()).collect::<Vec<_>>(), ["/dev/null"; 3]);
    assert_eq!(fs::read_to_string(&pid_file).expect("the pid file"), format!("{}\n", daemon.pid));
}

/// The body closes them before it is ready, as old textbooks say.
#[test]
fn closed_by_the_body() {
    for closed in CLOSED {
        let family = Family::new();
        let words = closed.iter().map(|number| format!("close={number}"));
        let words = words.chain(["notify", "touch=body", "pause"].map(str::to_owned));
        family.launch(READY).args(words).run().assert_code(0);
        Expected::default().assert(&family.daemon());
    }
}
