//! The example `hello`, by its public face.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
#[cfg(linux_alone)]
use tests::Expected;
use tests::{End, Family, Proc, until};

const HELLO: &str = env!("CARGO_BIN_EXE_hello-example");

/// The pid that the launcher has printed.
fn pid(end: &End) -> i32 {
    let word = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok();
    end.stdout.split_whitespace().find_map(word).unwrap_or_else(|| panic!("no pid: {end:#?}"))
}

/// Waits for this many whole lines.
fn lines(file: &Path, count: usize) -> String {
    until(&format!("{count} lines in {}", file.display()), || {
        let text = fs::read_to_string(file).unwrap_or_default();
        (text.matches('\n').count() >= count).then_some(text)
    })
}

#[cfg(linux_alone)]
#[test]
fn from_the_start_to_sigterm() {
    let family = Family::new();
    let launch = family.launch(HELLO).arg("out.txt").cwd(family.directory()).env("HELLO_INTERVAL", "0.02");
    let end = launch.run();
    end.assert_code(0);
    let file = family.path("out.txt");
    assert_eq!(end.stdout.lines().count(), 1, "{end:#?}");
    assert!(end.stdout.contains(&*file.to_string_lossy()), "{end:#?}");
    assert!(end.stdout.contains(&format!("kill {}", pid(&end))), "{end:#?}");
    // The table, a heading and five rows.
    assert_eq!(end.stderr.lines().count(), 6, "{end:#?}");

    lines(&file, 3);
    let daemon = Proc::of(pid(&end)).expect("the daemon");
    assert_eq!(daemon.pid, family.only().pid);
    assert_eq!((daemon.cwd.to_str(), daemon.umask, daemon.tty), (Some("/"), 0, 0));
    let null = || "/dev/null".into();
    let expected = Expected { streams: [null(), null(), family.path("out.txt.log")], ..Expected::default() };
    let streams: Vec<_> = daemon.fds.values().take(3).cloned().collect();
    assert_eq!(streams, expected.streams);

    kill(Pid::from_raw(daemon.pid), Signal::SIGTERM).expect("it lives");
    family.assert_gone();
    let text = fs::read_to_string(&file).expect("the file");
    assert!(text.len() >= 3 * "hello\n".len(), "too few lines: {text:?}");
    assert_eq!(text.replace("hello\n", ""), "", "other lines: {text:?}");
}

#[test]
fn it_goes_on_where_it_stopped() {
    let family = Family::new();
    let file = family.path("out.txt");
    fs::write(&file, "before\n").expect("a file in the directory");
    family.launch(HELLO).arg(&file).run().assert_code(0);
    assert_eq!(lines(&file, 2), "before\nhello\n");
}

#[test]
fn without_an_argument_it_writes_to_the_temporary_directory() {
    let family = Family::new();
    let end = family.launch(HELLO).env("TMPDIR", family.directory()).run();
    end.assert_code(0);
    let named = end.stdout.split_once(" writes to ").and_then(|(_, rest)| rest.split_once("; stop it with"));
    let (file, _) = named.unwrap_or_else(|| panic!("no file is named: {}", end.stdout));
    let file = Path::new(file);
    assert_eq!(file.parent(), Some(family.directory()));
    assert_eq!(lines(file, 1), "hello\n");
}

#[test]
fn a_bad_interval() {
    for interval in ["", "soon", "-1", "0", "nan", "inf", "1e300"] {
        let family = Family::new();
        let end = family.launch(HELLO).arg(family.path("out.txt")).env("HELLO_INTERVAL", interval).run();
        end.assert_code(64).assert_one_line().assert_says(&["HELLO_INTERVAL", interval]);
        assert_eq!(end.stdout, "");
        family.assert_gone();
    }
}

#[test]
fn a_file_that_cannot_be_opened() {
    let family = Family::new();
    let file = family.path("no/such");
    let end = family.launch(HELLO).arg(&file).run();
    end.assert_one_line().assert_says(&[&file.to_string_lossy(), "No such file or directory"]);
    assert!(end.status.code().is_some_and(|code| code != 0), "it exits with 0, or by a signal");
    family.assert_gone();
}

/// A write error goes to the log, and not nowhere.
#[cfg(linux_alone)]
#[test]
fn a_write_error() {
    let family = Family::new();
    // The log lies beside the link, and the device that is always full behind it.
    let file = family.path("full.txt");
    std::os::unix::fs::symlink("/dev/full", &file).expect("a link");
    family.launch(HELLO).arg(&file).env("HELLO_INTERVAL", "0.02").run().assert_code(0);
    let log = lines(&family.path("full.txt.log"), 1);
    for part in ["cannot write to", "No space left on device"] {
        assert!(log.contains(part), "{part:?} is not in {log}");
    }
}
