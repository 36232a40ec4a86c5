//! stdin, and what becomes of stdout and stderr when the daemon is ready. Log files have `logs.rs`.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs;

#[cfg(linux_alone)]
use tests::Expected;
use tests::Family;

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");

#[cfg(linux_alone)]
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
