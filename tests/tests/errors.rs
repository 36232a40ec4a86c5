//! What an error says: values that are wrong, and `Error` itself.

use std::error::Error;

use daemon_runtime::{Daemon, Instance, Step};
use nix::errno::Errno;
use tests::{Family, strerror};

const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");

/// What the user gave is wrong: said in the launcher, with the object, before anything is forked.
#[test]
fn wrong_values() {
    let family = Family::new();
    let directory = family.directory().display().to_string();
    let missing = format!("{directory}/no/such");
    let too_long = format!("{}; correct the path", strerror(Errno::ENAMETOOLONG));
    let wrong: &[(&str, &str, i32, &[&str])] = &[
        ("UMASK", "0o1000", 64, &["umask", "0o1000", "0o777"]),
        ("CHDIR", "relative", 64, &["chdir", "relative", "absolute"]),
        ("CHDIR", &missing, 71, &[&missing, "No such file"]),
        ("CHDIR", WITHOUT_READY, 71, &[WITHOUT_READY, "Not a directory"]),
        ("STDIN", &missing, 73, &["stdin", &missing, "No such file"]),
        ("STDOUT", &missing, 73, &["open log", &missing, "its directory does not exist; create it"]),
        ("STDERR", &directory, 73, &["open log", &directory, "Is a directory"]),
        ("STDOUT", "", 64, &["stdout", "empty"]),
        (
            "STDOUT",
            &format!("{missing}\n\u{1b}"),
            73,
            &[&format!("{missing}\\n\\u{{1b}}: its directory does not exist; create it")],
        ),
        ("STDOUT", &"x".repeat(256), 73, &[&too_long]),
        ("START_TIMEOUT", "0", 64, &["start_timeout"]),
    ];
    for (name, value, code, says) in wrong {
        let end = family.launch(WITHOUT_READY).env(format!("DAEMON_{name}"), value).run();
        end.assert_code(*code).assert_one_line().assert_says(says).assert_says(&["without_ready: cannot ", "; "]);
    }
    family.assert_gone();
}

#[test]
fn the_error_reads_well_from_main() {
    let family = Family::new();
    let end = family.launch(env!("CARGO_BIN_EXE_by_hand")).env("DAEMON_CHDIR", "/no/such").run();
    end.assert_code(1).assert_one_line().assert_says(&["Error: cannot ", "/no/such: No such file or directory; "]);
    family.assert_gone();
}

/// This process has threads, as every process that runs tests: the only error of a correct `Daemon`.
#[test]
fn the_error_answers() {
    let bad = Daemon::new().umask(0o1000).start().expect_err("a bad value");
    assert_eq!((bad.step(), bad.exit_code()), (Some(Step::Options), 64));
    let threads = Daemon::new().start().expect_err("threads");
    assert_eq!((threads.step(), threads.exit_code()), (Some(Step::Threads), 70));
    // The text says the cause; said by `source` too, a chain of errors would print it twice.
    assert!(bad.source().is_none(), "a bad value has no cause");
    assert!(threads.source().is_none(), "threads have no cause");
    let call = Instance::at("/dev/null/pid").pid().expect_err("not a directory");
    assert!(call.source().is_none(), "the cause is in the text already");
    assert_eq!(call.raw_os_error(), Some(Errno::ENOTDIR as i32));
    assert_eq!((call.step(), call.exit_code()), (None, 71));
    assert_eq!(format!("{threads}"), format!("{threads:?}"));
    assert_eq!(format!("{threads}").lines().count(), 1);
}
