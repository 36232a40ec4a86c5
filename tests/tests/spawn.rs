//! A program that starts a daemon and goes on: `Daemon::spawn`, and clients that wait for a server.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use daemon_runtime::Instance;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
#[cfg(linux_alone)]
use tests::Expected;
use tests::{DEADLINE, Family, Launch, Proc, hostile, until};

const VERBS: &str = env!("CARGO_BIN_EXE_verbs");

fn launch<'a>(family: &'a Family, verb: &str, pid_file: &Path) -> Launch<'a> {
    family.launch(VERBS).env("DAEMON_VERB", verb).env("DAEMON_PID_FILE", pid_file)
}

/// The daemon is like any other, and the client what it was: signals, descriptors, children.
#[cfg(linux_alone)]
#[test]
fn both_go_on() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let launch = launch(&family, "spawn", &pid_file).env("DAEMON_STAY", "1").args(["notify", "touch=body", "pause"]);
    let launch = launch.under(hostile::open(300, "/dev/null".into())).under(hostile::ignored(&[Signal::SIGUSR1]));
    let client = launch.under(hostile::blocked()).start();
    let daemon = family.daemon();
    let seen = family.at("client");
    assert_eq!(seen.pid, client.pid(), "another process went on as the client");
    assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), format!("{}\n", daemon.pid));

    let caught = vec![1, 2, 3, 6, 7, 11, 15];
    let expected = Expected { caught, others: vec![pid_file.clone()], ..Expected::default() };
    until("the launcher has gone", || Proc::is_reaper(Proc::of(daemon.pid)?.ppid).then_some(()));
    expected.assert(&Proc::of(daemon.pid).expect("it runs"));

    let before = Proc::of(client.pid()).expect("the client lives");
    assert!(before.ignored.numbers().contains(&10), "its ignored signals have changed: {before:#?}");
    // All 64 but SIGKILL, SIGSTOP and those that the C library keeps for its threads.
    let blockable = if cfg!(target_env = "musl") { 59 } else { 60 };
    assert_eq!(before.blocked.numbers().len(), blockable, "its signal mask has changed: {before:#?}");
    assert!(before.fds.contains_key(&300), "its descriptors have changed: {before:#?}");
    assert!(!before.fds.values().any(|path| *path == pid_file), "it holds the pid file");
    symlink("-", family.path("go")).expect("a mark");
    client.end().assert_code(0).assert_says(&[]);
    kill(Pid::from_raw(daemon.pid), Signal::SIGTERM).expect("it lives");
    family.assert_gone();
    assert!(!pid_file.exists(), "the pid file is left");
}

/// Nothing is printed but what the daemon itself says.
#[test]
fn a_failed_start_is_an_error_in_the_client() {
    let cases: [(&[&str], &str, &str); 5] = [
        (&["exit=7"], "StartFailed 7 cannot start the daemon: it exited with code 7", ""),
        (&["eprint=no port", "exit=3"], "StartFailed 3 ", "no port\n"),
        (&["signal=9"], "StartFailed 137 cannot start the daemon: the daemon was killed by SIGKILL", ""),
        (&["ok"], "Misuse 70 cannot start the daemon: it exited with code 0 before it was ready", ""),
        (&["pause"], "TimedOut 75 cannot start the daemon: it was not ready after 0.3 s", ""),
    ];
    for (words, stdout, stderr) in cases {
        let family = Family::new();
        let pid_file = family.path("pid");
        let end = launch(&family, "spawn", &pid_file).env("DAEMON_START_TIMEOUT", "300").args(words).run();
        end.assert_code(9);
        assert!(end.stdout.starts_with(stdout), "{words:?}: {end:?}");
        assert_eq!(end.stderr, stderr, "{words:?}");
        family.assert_nothing_left(&pid_file);
    }
    let family = Family::new();
    let end = launch(&family, "spawn", &family.path("missing/pid")).run();
    end.assert_code(9);
    assert!(end.stdout.starts_with("File 73 cannot lock pid file "), "{end:?}");
    assert_eq!(end.stderr, "");
}

/// What a service manager has passed to the client is the client's: nobody waits for the daemon.
#[cfg(linux_alone)]
#[test]
fn the_daemon_is_no_part_of_the_clients_service() {
    let family = Family::new();
    let path = family.path("notify");
    let notify_socket = UnixDatagram::bind(&path).expect("a socket");
    notify_socket.set_nonblocking(true).expect("a socket need not wait");
    let service =
        "export LISTEN_PID=$$ SYSTEMD_EXEC_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=a WATCHDOG_PID=$$ WATCHDOG_USEC=9";
    let launch =
        family.shell(&format!("{service}; exec \"$0\" \"$@\" 3</dev/zero"), [VERBS]).env("DAEMON_VERB", "spawn");
    let launch = launch.env("NOTIFY_SOCKET", &path);
    launch.args(["notify", &format!("exec={}", env!("CARGO_BIN_EXE_pausing"))]).run().assert_code(0);
    let daemon = family.named("pausing");
    let variables = Proc::environ(daemon.pid);
    let variables: Vec<_> = variables.iter().map(|variable| String::from_utf8_lossy(variable)).collect();
    for name in ["NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_"] {
        assert!(!variables.iter().any(|variable| variable.starts_with(name)), "{name}: {variables:?}");
    }
    // Another file may be open by this number: the loader's.
    assert!(daemon.fds.get(&3).is_none_or(|file| file != Path::new("/dev/zero")), "the client's socket: {daemon:#?}");
    assert!(notify_socket.recv(&mut [0]).is_err(), "the client's service manager was told something");
}

/// Ctrl-C reaches all. A client that handles it gets an error, with the code of who was ended by it.
#[test]
fn control_c() {
    let family = Family::new();
    let client =
        launch(&family, "spawn", &family.path("pid")).env("DAEMON_HANDLE", (Signal::SIGINT as i32).to_string());
    let client = client.under(hostile::group_leader()).args(["touch=body", "pause"]).start();
    family.daemon();
    killpg(Pid::from_raw(client.pid()), Signal::SIGINT).expect("a group");
    let end = client.end();
    end.assert_code(9).assert_stderr("");
    assert!(end.stdout.starts_with("Interrupted 130 "), "{end:?}");
    family.assert_nothing_left(&family.path("pid"));

    let client = launch(&family, "spawn", &family.path("pid")).under(hostile::group_leader());
    let client = client.args(["touch=second", "pause"]).start();
    family.at("second");
    killpg(Pid::from_raw(client.pid()), Signal::SIGINT).expect("a group");
    client.end().assert_signal(Signal::SIGINT).assert_stderr("");
    family.assert_nothing_left(&family.path("pid"));
}

/// A handler of the client's waits for every child that ends: the launcher's exit code is lost, and not needed.
#[test]
fn the_client_reaps_its_children_itself() {
    let family = Family::new();
    let handled = (Signal::SIGCHLD as i32).to_string();
    launch(&family, "spawn", &family.path("pid")).env("DAEMON_HANDLE", &handled).run().assert_code(0);
    family.daemon();
    let end = launch(&family, "spawn", &family.path("other")).env("DAEMON_HANDLE", &handled).arg("exit=7").run();
    end.assert_code(9);
    assert!(end.stdout.starts_with("StartFailed 7 "), "{end:?}");
}

/// A client that adopts orphans still does. The daemon becomes its child, and no process of the
/// start is left for it to wait for.
#[cfg(linux_alone)]
#[test]
fn the_client_adopts_orphans() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let launch = launch(&family, "spawn", &pid_file).env("DAEMON_SUBREAPER", "1").env("DAEMON_STAY", "1");
    let client = launch.args(["notify", "touch=body", "pause"]).start();
    let seen = family.at("client");
    let daemon = Proc::of(family.daemon().pid).expect("it runs");
    assert_eq!(daemon.ppid, seen.pid, "another process has adopted the daemon");
    assert_eq!(Proc::zombies(seen.pid), 0, "a process of the start is left");
    let mut members = family.members();
    members.sort_unstable();
    let mut expected = [seen.pid, daemon.pid];
    expected.sort_unstable();
    assert_eq!(members, expected, "a process of the start lives");
    symlink("-", family.path("go")).expect("a mark");
    client.end().assert_code(0);
    Instance::at(&pid_file).stop(DEADLINE).expect("it can be stopped");

    for words in [&["exit=7"][..], &["pause"]] {
        let family = Family::new();
        let launch = self::launch(&family, "spawn", &family.path("pid")).env("DAEMON_START_TIMEOUT", "300");
        let client = launch.env("DAEMON_SUBREAPER", "1").env("DAEMON_STAY", "1").args(words).start();
        let seen = family.at("client");
        assert_eq!(Proc::zombies(seen.pid), 0, "{words:?}: a process of the start that has failed is left");
        assert_eq!(family.members(), [seen.pid], "{words:?}: a process of the start that has failed lives");
        symlink("-", family.path("go")).expect("a mark");
        client.end().assert_code(9);
    }
}

/// What no client can do is refused before anything is forked.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: threads have names")]
fn misuse() {
    for (name, says) in [
        ("DAEMON_THREAD", "Misuse 70 cannot become a daemon: the process already has 1 other thread: "),
        ("DAEMON_FOREGROUND", "InvalidOption 64 cannot use foreground = true: `spawn` always detaches"),
    ] {
        let family = Family::new();
        let end = launch(&family, "spawn", &family.path("pid")).env(name, "1").run();
        end.assert_code(9).assert_stderr("");
        assert!(end.stdout.starts_with(says), "{end:?}");
        family.assert_nothing_left(&family.path("pid"));
    }
}

/// A lock of fcntl(2), which a fork does not pass on: the process that is refused is the client, as it has the lock, and not its
/// child, which has it no more. The words are those that `start` has for it.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: record locks are not to be seen elsewhere")]
fn a_record_lock_is_refused_as_by_start() {
    let family = Family::new();
    let [pid_file, locked] = ["pid", "locked"].map(|name| family.path(name));
    let end = |verb| launch(&family, verb, &pid_file).env("DAEMON_RECORD_LOCK", &locked).run();
    let started = end("serve");
    started.assert_code(70).assert_one_line();
    started.assert_says(&[&format!("({}) holds a record lock, which a fork does not pass on", locked.display())]);
    family.assert_nothing_left(&pid_file);

    let spawned = end("spawn");
    spawned.assert_code(9).assert_stderr("");
    let words = started.stderr.strip_prefix("verbs: ").unwrap_or_else(|| panic!("{started:?}"));
    assert_eq!(spawned.stdout, format!("Misuse 70 {words}"));
    family.assert_nothing_left(&pid_file);
}

#[test]
fn a_second_daemon_is_told_apart() {
    let family = Family::new();
    let pid_file = family.path("pid");
    launch(&family, "spawn", &pid_file).run().assert_code(0);
    let daemon = family.daemon();
    let end = launch(&family, "spawn", &pid_file).run();
    end.assert_code(9);
    assert!(end.stdout.starts_with("AlreadyRunning 69 "), "{end:?}");
    assert_eq!(end.stderr, "");
    assert!(Proc::lives(daemon.pid), "the first one is gone");
}

/// A client that is killed while it starts its server leaves none behind.
#[test]
fn the_client_is_killed() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let client = launch(&family, "spawn", &pid_file).args(["touch=body", "pause"]).start();
    family.daemon();
    kill(Pid::from_raw(client.pid()), Signal::SIGKILL).expect("it lives");
    family.assert_nothing_left(&pid_file);
    drop(client);
}

/// The launcher is killed: the client gets an error at once, and the daemon ends when it says that it is ready.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: the launcher adopts orphans")]
fn the_launcher_is_killed() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let words = ["touch=body", "wait=go", "notify", "touch=ready", "pause"];
    let client = launch(&family, "spawn", &pid_file).args(words).start();
    let daemon = family.daemon();
    let launcher = until("the launcher is its parent", || {
        Proc::of(daemon.pid)
            .map(|daemon| daemon.ppid)
            .filter(|parent| Proc::of(*parent).is_some_and(|it| it.ppid == client.pid()))
    });
    kill(Pid::from_raw(launcher), Signal::SIGKILL).expect("it lives");
    let says = "StartFailed 71 cannot start the daemon: the launcher was killed";
    until("the client's error", || client.stdout().starts_with(says).then_some(()));
    assert!(Proc::lives(daemon.pid) && Family::is_locked(&pid_file), "the daemon has ended at once");
    symlink("-", family.path("go")).expect("a mark");
    client
        .end()
        .assert_code(9)
        .assert_stderr("verbs: cannot start the daemon: the launcher has died; start it again\n");
    family.assert_nothing_left(&pid_file);
    assert!(!family.path("ready").is_symlink(), "the daemon goes on");
}

/// Ready is told by the pid file, in the background and by `is_ready` of anybody.
#[test]
fn ready_is_told_by_the_pid_file() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let server = Instance::at(&pid_file);
    assert!(!server.is_ready().expect("no file"), "without a file");
    let client = launch(&family, "spawn", &pid_file).args(["touch=body", "wait=go", "notify", "pause"]).start();
    family.daemon();
    assert!(!server.is_ready().expect("a file"), "before it is ready");
    let error = server.wait_until_ready(std::time::Duration::from_millis(20)).expect_err("it is not ready");
    assert_eq!(error.exit_code(), 75, "{error}");
    symlink("-", family.path("go")).expect("a mark");
    server.wait_until_ready(tests::DEADLINE).expect("it gets ready");
    client.end().assert_code(0);
    assert!(server.is_ready().expect("a file"), "when it is ready");
    server.stop(tests::DEADLINE).expect("it can be stopped");
    let error = server.wait_until_ready(tests::DEADLINE).expect_err("nobody runs");
    assert_eq!(error.exit_code(), 69, "{error}");
    family.assert_gone();
}

/// Each client has two pipes to the test, and other systems allow few processes and descriptors.
const CLIENTS: usize = if cfg!(linux_alone) { 200 } else { 30 };

/// Very many clients at once that each start the server if there is none: one server, and every client is served.
#[test]
fn many_clients_at_once() {
    let family = Family::new();
    let (pid_file, answer) = (family.path("pid"), family.path("answer"));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let launch = launch(&family, "connect", &pid_file).env("DAEMON_ANSWER", &answer);
            launch.args(["touch=body", "write=answer", "notify", "pause"]).start()
        })
        .collect();
    for client in clients {
        let end = client.end();
        end.assert_code(0);
        assert_eq!((&*end.stdout, &*end.stderr), ("precious data\n", ""), "a client was not served");
    }
    let daemon = family.daemon();
    until("the one server is left", || (family.members() == [daemon.pid]).then_some(()));
}

/// A daemon may start another one.
#[test]
fn a_forked_child_of_a_daemon_becomes_one() {
    let family = Family::new();
    let [pid_file, log, child, child_log] = ["pid", "log", "child-pid", "child.log"].map(|name| family.path(name));
    let launch = family.launch(env!("CARGO_BIN_EXE_ready")).env("DAEMON_PID_FILE", &pid_file);
    let launch = launch.env("DAEMON_STDERR", &log).env("DAEMON_REOPEN_ON_SIGHUP", "");
    let launch = launch.under(tests::hostile::descriptors(20));
    launch.args(["notify", "child_daemon=child-pid", "touch=body", "pause"]).run().assert_code(0);
    let (daemon, second) = (family.daemon(), family.at("child"));
    assert_ne!(daemon.pid, second.pid);
    until("both pid files", || {
        (Instance::at(&pid_file).is_ready().ok()? && Instance::at(&child).is_ready().ok()?).then_some(())
    });
    // Of the first one's files it has none, as soon as its launcher has gone.
    #[cfg(linux_alone)]
    let open = ["/dev/null".as_ref(), "/dev/null".as_ref(), &*child_log, &*child];
    #[cfg(linux_alone)]
    until(&format!("no more than {open:?}"), || Proc::of(second.pid)?.fds.values().eq(open).then_some(()));
    // Nor is its SIGHUP about them.
    for file in [&log, &child_log] {
        fs::rename(file, file.with_extension("old")).expect("it can be moved");
    }
    Instance::at(&child).reload().expect("it can be signalled");
    until("the child's new log", || child_log.exists().then_some(()));
    assert!(!log.exists(), "the child has opened its parent's log");
    Instance::at(&child).stop(tests::DEADLINE).expect("the child stops");
    assert!(!child.exists(), "the child's pid file is left");
    assert!(Family::is_locked(&pid_file), "the first one's lock is gone");
    Instance::at(&pid_file).stop(tests::DEADLINE).expect("the first one stops");
    family.assert_nothing_left(&pid_file);
}
