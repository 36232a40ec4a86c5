//! A client that starts its own server, as the documentation of `Daemon::spawn` says; and waiting for a server's end.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use daemon_runtime::{ErrorKind, Instance};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{DEADLINE, Family, Launch, until};

const CLIENT: &str = env!("CARGO_BIN_EXE_client");
const READY: &str = env!("CARGO_BIN_EXE_ready");

fn client<'a>(family: &'a Family, request: &str) -> Launch<'a> {
    family.launch(CLIENT).arg(family.directory()).arg(request).env("DAEMON_LINGER", "3000")
}

fn ask(family: &Family, request: &str) -> String {
    let end = client(family, request).run();
    end.assert_code(0).assert_stderr("");
    end.stdout.trim().to_owned()
}

/// The server has closed its socket, holds the pid file, and is ready as far as that tells.
#[test]
fn server_on_its_way_out() {
    let family = Family::new();
    let first = ask(&family, "pid");
    assert_eq!(ask(&family, "pid"), first, "another server was started");
    assert_eq!(ask(&family, "quit"), "bye");
    let began = Instant::now();
    assert!(Instance::at(family.path("pid")).is_ready().expect("a pid file"), "it ends too fast for this test");
    let clients: Vec<_> = (0..10).map(|_| client(&family, "pid").start()).collect();
    let answers: Vec<String> =
        clients.into_iter().map(|client| client.end().assert_code(0).assert_stderr("").stdout.clone()).collect();
    assert!(began.elapsed() > Duration::from_secs(2), "nobody has waited");
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.trim() != first), "{first}: {answers:?}");
    let server: i32 = answers[0].trim().parse().expect("a pid");
    until("the one server is left", || (family.members() == [server]).then_some(()));
}

/// One deadline for all: it neither starts a second one nor tries for ever.
#[test]
fn server_that_never_ends() {
    let family = Family::new();
    let server = family.launch(READY).env("DAEMON_PID_FILE", family.path("pid"));
    server.run().assert_code(0);
    let server = family.daemon();
    let end = client(&family, "pid").env("DAEMON_PATIENCE", "1500").run();
    end.assert_code(1).assert_says(&["cannot wait for the end of the daemon with pid file "]);
    assert!(end.took >= Duration::from_secs(1), "{end:#?}");
    // What was left of its patience, in words for people.
    let (_, time) = end.stderr.split_once(": it still runs after 1.").expect("the reason");
    let (digits, _) = time.split_once(" s; wait longer, or stop it\n").expect("the unit, and what to do");
    assert!((1..=3).contains(&digits.len()), "{end:#?}");
    assert_eq!(family.members(), [server.pid]);
}

/// A socketpair carries what the server has to say, beside its pid.
#[test]
fn server_tells_its_port() {
    let family = Family::new();
    let server: i32 = ask(&family, "port").parse().expect("a pid");
    until("the server is left", || (family.members() == [server]).then_some(()));
    #[cfg(linux_alone)]
    {
        let open = tests::Proc::of(server).expect("it runs").fds;
        assert_eq!(open.len(), 4, "an end of the socketpair is left: {open:?}");
    }
}

/// The documentation's examples are what was run here.
#[test]
fn documentation_has_what_was_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| fs::read_to_string(root.join(file)).expect("a source");
    let (manual, program) = (read("daemon-runtime/src/daemon.rs"), read("tests/src/bin/client.rs"));
    for (first, end) in [("fn connect(", "\n}\n"), ("fn start_server(", "\n}\n")] {
        let (_, run) = program.split_once(first).expect("the function");
        let (run, _) = run.split_once(end).expect("its end");
        let documented = run.lines().skip(1).map(|line| format!("    /// {line}\n")).collect::<String>();
        assert!(manual.contains(&documented), "not in the documentation:\n{documented}");
    }
}

#[test]
fn wait_until_stopped() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let server = Instance::at(&pid_file);
    server.wait_until_stopped(Duration::ZERO).expect("there is none");
    let launch = || family.launch(READY).env("DAEMON_PID_FILE", &pid_file);
    launch().args(["touch=body", "notify", "wait=go", "exit=0"]).run().assert_code(0);

    let began = Instant::now();
    let error = server.wait_until_stopped(Duration::from_millis(300)).expect_err("it runs");
    assert!(began.elapsed() >= Duration::from_millis(300), "it has not waited");
    let says = format!(
        "cannot wait for the end of the daemon with pid file {}: it still runs after 0.3 s; wait longer, or stop it",
        pid_file.display()
    );
    assert_eq!((error.kind(), error.exit_code(), error.to_string()), (ErrorKind::TimedOut, 75, says));

    let waits = thread::scope(|scope| {
        let waits = scope.spawn(|| server.wait_until_stopped(DEADLINE));
        fs::write(family.path("go"), "").expect("a mark");
        waits.join().expect("no panic")
    });
    waits.expect("it has ended");
    family.assert_nothing_left(&pid_file);
    // What a killed one has left is nothing that runs.
    fs::remove_file(family.path("body")).expect("the mark");
    launch().run().assert_code(0);
    kill(Pid::from_raw(family.daemon().pid), Signal::SIGKILL).expect("it lives");
    server.wait_until_stopped(DEADLINE).expect("it was killed");
    assert!(pid_file.exists(), "nobody has removed it");
    server.wait_until_stopped(Duration::ZERO).expect("there is none");
}
