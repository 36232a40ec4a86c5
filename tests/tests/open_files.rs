//! Open files as stdin, stdout and stderr.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use tests::{Family, Launch, until};

const BY_METHODS: &str = env!("CARGO_BIN_EXE_by_methods");

/// How the program gives what it has opened: as a `Stream`, a `&File` or a `&OwnedFd`.
const BY: [&str; 3] = ["stream", "reference", "descriptor"];

fn launch<'a>(family: &'a Family, options: &[(&str, String)]) -> Launch<'a> {
    with(family.launch(BY_METHODS), options)
}

fn with<'a>(launch: Launch<'a>, options: &[(&str, String)]) -> Launch<'a> {
    tests::with(launch, &options.iter().map(|(name, value)| (*name, &**value)).collect::<Vec<_>>())
}

fn open(how: &str, path: &Path) -> String {
    format!("{how}:{}", path.display())
}

/// What the program has opened is there at the position where it stands, and shared by all that it is given as.
#[cfg(linux_alone)]
#[test]
fn a_file_is_written_as_the_program_has_opened_it() {
    for by in BY {
        let family = Family::new();
        let log = family.path("log");
        fs::write(&log, "before\n").expect("a file");
        let options = [("by", by.into()), ("stdout", open("append", &log)), ("stderr", open("append", &log))];
        let launch = launch(&family, &options).args(["print=early", "notify", "print=out", "eprint=err", "touch=body"]);
        let end = launch.arg("pause").run();
        assert_eq!((&*end.assert_code(0).stdout, &*end.stderr), ("early\n", ""), "{by}");
        let daemon = family.daemon();
        assert_eq!(fs::read_to_string(&log).expect("the log"), "before\nout\nerr\n", "{by}");
        // Of what the crate was given nothing else is left; of what it has borrowed, what the program keeps.
        assert_eq!(daemon.fds.keys().copied().eq([0, 1, 2]), by == "stream", "{by}: {daemon:#?}");
    }
}

/// A FIFO that the program itself has opened to read and write: by its path it would need a reader.
#[test]
fn fifo() {
    for by in BY {
        let family = Family::new();
        let fifo = family.path("fifo");
        mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
        let options = [("by", by.into()), ("stdout", open("both", &fifo)), ("stderr", open("both", &fifo))];
        let launch = launch(&family, &options).args(["notify", "eprint=text", "touch=body", "pause"]);
        launch.run().assert_code(0).assert_stderr("");
        family.daemon();
        let mut read = [0; 5];
        File::open(&fifo).and_then(|mut fifo| fifo.read_exact(&mut read)).expect("it was written to");
        assert_eq!(read, *b"text\n", "{by}");
    }
}

/// The name of a file need not be one of this system's: it has none.
#[cfg(linux_alone)]
#[test]
fn memory_and_socket() {
    for by in BY {
        let family = Family::new();
        let socket = family.path("socket");
        let listener = UnixDatagram::bind(&socket).expect("a socket");
        let options = [
            ("by", by.into()),
            ("stdin", "memory:a line".into()),
            ("stdout", open("socket", &socket)),
            ("stderr", open("socket", &socket)),
        ];
        let launch = launch(&family, &options);
        launch.args(["notify", "eprint=text", "touch=body", "pause"]).run().assert_code(0).assert_stderr("");
        let daemon = family.daemon();
        let mut message = [0; 99];
        let length = listener.recv(&mut message).expect("a message");
        assert_eq!(message[..length], *b"text", "{by}");
        // stdin is the file in memory, at its beginning.
        let mut stdin = String::new();
        File::open(format!("/proc/{}/fd/0", daemon.pid))
            .and_then(|mut it| it.read_to_string(&mut stdin))
            .expect("a file");
        assert_eq!(stdin, "a line", "{by}");
        assert!(daemon.fds[&0].to_string_lossy().contains("memfd:given"), "{by}: {daemon:#?}");
    }
}

/// SIGHUP reopens the log that has a path, and not the one that was open.
#[test]
fn what_was_open_is_not_reopened() {
    let family = Family::new();
    let [log, other] = ["log", "other"].map(|name| family.path(name));
    let options = [
        ("stdout", log.display().to_string()),
        ("stderr", open("append", &other)),
        ("reopen_on_sighup", String::new()),
    ];
    let words = ["notify", "touch=body", "wait=go", "print=out", "eprint=err", "touch=end", "pause"];
    launch(&family, &options).args(words).run().assert_code(0).assert_stderr("");
    let moved = [&log, &other].map(|file| {
        let moved = file.with_extension("old");
        fs::rename(file, &moved).expect("it can be moved");
        moved
    });
    kill(Pid::from_raw(family.daemon().pid), Signal::SIGHUP).expect("it lives");
    until("a new log", || log.exists().then_some(()));
    File::create(family.path("go")).expect("a mark");
    family.at("end");
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    assert_eq!([read(&log), read(&moved[0]), read(&moved[1])], ["out\n", "", "err\n"].map(String::from));
    assert!(!other.exists(), "it was opened anew");
}

/// Nothing could be reopened: the program expects something that does not come.
#[test]
fn reopen_without_a_path() {
    let family = Family::new();
    let reopen = ("reopen_on_sighup", String::new());
    let log = open("append", &family.path("log"));
    for stream in ["stdout", "stderr"] {
        let end = launch(&family, &[(stream, log.clone()), reopen.clone()]).run();
        end.assert_code(64).assert_stderr(
            "by_methods: cannot use reopen_on_sighup = true: `reopen_on_sighup` needs the path of a log file: what is open already \
             is not reopened; correct the option\n",
        );
        family.assert_gone();
    }
    // Without any log SIGHUP is harmless, as ever.
    launch(&family, &[reopen]).run().assert_code(0);
}

/// A descriptor that the shell has opened for the program (`app 3>>log`), and that this has taken over: it is not closed under its
/// owner, whose drop would close what has got its number.
#[cfg(linux_alone)]
#[test]
fn descriptor_that_the_program_was_started_with() {
    let family = Family::new();
    let [log, pid_file] = ["log", "pid"].map(|name| family.path(name));
    let options = [("stderr", "passed:3".into()), ("pid_file", pid_file.display().to_string())];
    let words = ["notify", "eprint=text", "touch=body", "pause"];
    let shell = family.shell("exec \"$0\" \"$@\" 3>>\"$LOG\"", [BY_METHODS]).args(words).env("LOG", &log);
    with(shell, &options).run().assert_code(0).assert_stderr("");
    let daemon = family.daemon();
    assert_eq!(fs::read_to_string(&log).expect("the log"), "text\n");
    assert!(daemon.fds.values().any(|file| *file == pid_file), "the pid file was closed: {daemon:#?}");
    assert!(Family::is_locked(&pid_file), "its lock is gone");
}

/// Another user's rights are not needed for what is open, and so neither are his links dangerous.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn for_another_user() {
    let family = tests::accounts::family();
    let log = family.path("log");
    let mut file = File::create(&log).expect("a file");
    file.write_all(b"root's\n").expect("room");
    fs::hard_link(&log, family.path("second-name")).expect("a link");
    let launch = tests::accounts::launch(&family, &[], BY_METHODS);
    let launch = launch.env("DAEMON_USER", "alice").env("DAEMON_STDERR", open("append", &log));
    launch.args(["notify", "eprint=text", "touch=body", "pause"]).run().assert_code(0).assert_stderr("");
    tests::accounts::Who::alice().assert(&family.daemon());
    assert_eq!(fs::read_to_string(&log).expect("the log"), "root's\ntext\n");
}
