//! Threads: a start that is refused names them; and one that knows what they do is not refused.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
#[cfg(linux_alone)]
use tests::Expected;
use tests::{Family, Launch, Proc, hostile, with};

const BY_METHODS: &str = env!("CARGO_BIN_EXE_by_methods");

const ADVICE: &str = "start threads after the daemon has started, or end and join them before; an async runtime, such as \
    #[tokio::main], belongs below #[daemon], and a preloaded library (LD_PRELOAD) or an allocator (jemalloc's background_threads) \
    may have started one too";

/// By the names that the kernel has of them, of 15 characters; and no more than five.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: threads have names")]
fn refused_start_names_the_threads() {
    for (names, said) in [
        ("Timer thread", r#"1 other thread: "Timer thread""#),
        ("Timer thread,tokio-rt-worker", r#"2 other threads: "Timer thread", "tokio-rt-worker""#),
        ("a-name-that-is-too-long", r#"1 other thread: "a-name-that-is-""#),
        ("a,b,c,d,e,f,g", r#"7 other threads: "a", "b", "c", "d", "e""#),
        ("x\u{1b}[31m", r#"1 other thread: "x\u{1b}[31m""#),
    ] {
        let family = Family::new();
        let end = with(family.launch(BY_METHODS), &[("names", names)]).run();
        let why = format!("the process already has {said}");
        end.assert_code(70).assert_stderr(&format!("by_methods: cannot become a daemon: {why}; {ADVICE}\n"));
        family.assert_gone();
    }
}

/// A daemon of a thread that is not the first one, where that one and another sleep.
fn launch<'a>(family: &'a Family, words: &[&str]) -> Launch<'a> {
    let pid_file = family.path("pid");
    let launch = with(family.launch(BY_METHODS), &[("with_threads", ""), ("names", "sleeper")]);
    launch.env("DAEMON_PID_FILE", pid_file).args(words)
}

/// The daemon is like any other, and has the one thread.
#[cfg(linux_alone)]
#[test]
fn daemon_of_a_program_with_threads() {
    let family = Family::new();
    launch(&family, &["print=early", "notify", "touch=body", "pause"]).run().assert_code(0).assert_stderr("");
    let daemon = family.daemon();
    assert!(Family::is_locked(&family.path("pid")), "the lock is gone");
    let expected =
        Expected { caught: vec![1, 2, 3, 6, 7, 11, 15], others: vec![family.path("pid")], ..Expected::default() };
    tests::until("the launcher has gone", || Proc::is_reaper(Proc::of(daemon.pid)?.ppid).then_some(()));
    expected.assert(&Proc::of(daemon.pid).expect("it runs"));
}

/// The first thread sleeps, and takes the signals to the process.
#[test]
fn signal_that_another_thread_of_the_launcher_takes() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let family = Family::new();
        let launcher = launch(&family, &["touch=body", "pause"]).start();
        family.daemon();
        #[cfg(linux_alone)]
        assert_eq!(Proc::of(launcher.pid()).expect("it waits").threads, 3);
        launcher.signal(signal);
        let says = format!("by_methods: the start was interrupted by {signal}; nothing is left running\n");
        launcher.end().assert_signal(signal).assert_stderr(&says);
        family.assert_nothing_left(&family.path("pid"));
    }
}

#[test]
fn control_c() {
    let family = Family::new();
    let launcher = launch(&family, &["touch=body", "pause"]).under(hostile::group_leader()).start();
    family.daemon();
    killpg(Pid::from_raw(launcher.pid()), Signal::SIGINT).expect("a group");
    launcher.end().assert_signal(Signal::SIGINT).assert_says(&["interrupted by SIGINT"]);
    family.assert_nothing_left(&family.path("pid"));
}

/// SIGCHLD, which another thread takes too. A child of the daemon's keeps its socket open, so that nothing else tells of its death.
#[test]
fn death_that_another_thread_of_the_launcher_is_told_of() {
    for (words, code, says) in [
        (&["fork", "exit=7"][..], 7, ""),
        (&["fork", "signal=9"], 137, "by_methods: cannot start the daemon: the daemon was killed by SIGKILL\n"),
    ] {
        let family = Family::new();
        let end = launch(&family, words).run();
        end.assert_code(code).assert_stderr(says);
        assert!(end.took < Duration::from_secs(10), "it was noticed late: {end:#?}");
        family.assert_nothing_left(&family.path("pid"));
    }
}

/// The time limit is kept, too.
#[test]
fn time_limit() {
    let family = Family::new();
    let end = with(launch(&family, &["touch=body", "pause"]), &[("start_timeout", "300")]).run();
    end.assert_code(75).assert_says(&["cannot start the daemon: it was not ready after 0.3 s; "]);
    family.assert_nothing_left(&family.path("pid"));
}
