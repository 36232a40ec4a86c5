//! How a start may end, with and without `Ready`: the launcher's exit code, what is seen on its stderr, nothing left.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::time::Duration;

#[cfg(linux_alone)]
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
#[cfg(linux_alone)]
use tests::debugger;
use tests::{End, Family, Proc, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");

/// An ending of the body: its words, the exit code, and what stderr says, if this comes before `notify`.
struct Ending {
    words: &'static [&'static str],
    code: i32,
    says: &'static [&'static str],
}

const ENDINGS: &[Ending] = &[
    Ending { words: &["error=no luck"], code: 1, says: &["Error: \"no luck\"\n"] },
    Ending { words: &["panic=no luck"], code: 101, says: &["panicked at", "no luck"] },
    Ending { words: &["exit=3"], code: 3, says: &[] },
    Ending { words: &["exit=255"], code: 255, says: &[] },
    Ending { words: &["eprint=no luck", "exit=64"], code: 64, says: &["no luck\n"] },
    Ending { words: &["signal=9"], code: 128 + 9, says: &["SIGKILL"] },
    Ending { words: &["signal=15"], code: 128 + 15, says: &["SIGTERM"] },
    // Its number differs between systems; so does that of the first real-time signal, and some have none.
    #[cfg(linux_alone)]
    Ending { words: &["signal=10"], code: 128 + 10, says: &["SIGUSR1"] },
    #[cfg(linux_alone)]
    Ending { words: &["signal=34"], code: 128 + 34, says: &["34"] },
    Ending { words: &["abort"], code: 128 + 6, says: &["SIGABRT"] },
    Ending { words: &["exec=/no/such/program"], code: 1, says: &["No such file or directory"] },
    Ending { words: &["exec=false"], code: 1, says: &[] },
];

#[test]
fn ends_before_ready() {
    for ending in ENDINGS {
        let family = Family::new();
        let pid_file = family.path("pid");
        let end = family.launch(READY).args(ending.words).env("DAEMON_PID_FILE", &pid_file).run();
        end.assert_code(ending.code).assert_says(ending.says);
        family.assert_nothing_left(&pid_file);
    }
}

/// A program that ignores SIGCHLD has children whose ends nobody learns. Its launcher learns the daemon's all the same, also if that
/// ends before the process in between, which is held by a debugger here: else the scheduler chooses, and seldom so.
#[cfg(linux_alone)]
#[test]
fn ends_before_its_parent_in_a_program_that_ignores_the_ends_of_children() {
    let family = Family::new();
    let launcher = debugger::start(family.launch(env!("CARGO_BIN_EXE_opens_in_setup")).arg("exit=3"), "ignore=17");
    let first = Pid::from_raw(launcher.pid());
    let leader = debugger::fork_of(first);
    debugger::let_go(first);
    debugger::until_event(leader, ptrace::Event::PTRACE_EVENT_STOP);
    ptrace::cont(leader, None).expect("it is stopped");
    let daemon = debugger::fork_of(leader);
    debugger::let_go_at_once(daemon);
    until("the daemon's end", || (!Proc::lives(daemon.as_raw())).then_some(()));
    assert!(Proc::lives(leader.as_raw()), "its parent has ended before");
    debugger::let_go(leader);
    launcher.end().assert_code(3).assert_stderr("");
    family.assert_gone();
}

/// The daemon has started; how it ends is not the launcher's business, nor is its stderr.
#[test]
fn ends_after_ready() {
    for ending in ENDINGS {
        for (program, first) in [(READY, &["notify"][..]), (WITHOUT_READY, &[])] {
            let family = Family::new();
            let err = family.path("err");
            let end = family.launch(program).args(first).args(ending.words).env("DAEMON_STDERR", &err).run();
            end.assert_code(0).assert_stderr("");
            family.assert_gone();
            let err = std::fs::read_to_string(&err).expect("the log file");
            // What the launcher would have added about a signal is not said by the dead.
            for said in ending.says.iter().filter(|said| ending.code < 128 || !said.starts_with("SIG")) {
                assert!(ending.code > 128 || err.contains(said), "{said:?} is not in {err:?}");
            }
        }
    }
}

/// A main that returns, or exits with 0, and was never ready: there is no daemon, so the launcher must not say that
/// there is.
#[test]
fn ends_with_success_but_was_never_ready() {
    for words in [["ok"], ["exit=0"], ["exec=true"]] {
        let family = Family::new();
        let end = family.launch(READY).args(words).run();
        assert!(end.status.code().is_some_and(|code| code != 0), "{words:?}: {end:#?}");
        end.assert_one_line().assert_says(&["ready"]);
        family.assert_gone();
    }
}

/// In the foreground there is no launcher: the ending is the program's own, and `notify` changes no stream.
#[test]
fn ends_in_the_foreground() {
    let family = Family::new();
    let words = ["print=early", "notify", "print=late", "eprint=alas", "exit=3"];
    let log = family.path("log");
    let end = family.launch(READY).args(words).env("DAEMON_FOREGROUND", "").env("DAEMON_STDOUT", &log).run();
    end.assert_code(3).assert_stderr("alas\n");
    assert_eq!(end.stdout, "early\nlate\n");
    family.assert_gone();
}

/// The exit code for a daemon that is not ready in time.
fn assert_timed_out(end: &End, family: &Family) {
    end.assert_code(75).assert_one_line().assert_says(&["it was not ready after 0.3 s; look at what it has printed"]);
    family.assert_gone();
}

#[test]
fn not_ready_in_time() {
    let family = Family::new();
    let end = family.launch(READY).args(["fork", "pause"]).env("DAEMON_START_TIMEOUT", "300").run();
    assert!(end.took < Duration::from_secs(4), "SIGTERM is enough: {end:#?}");
    assert_timed_out(&end, &family);
}

/// SIGKILL comes 5 s after SIGTERM, for a daemon that ignores that, and for one that is stopped.
#[test]
fn not_ready_in_time_and_ignores_sigterm() {
    std::thread::scope(|scope| {
        for word in ["ignore=15".into(), format!("signal={}", Signal::SIGSTOP as i32)] {
            scope.spawn(move || {
                let family = Family::new();
                let words = [&word, "fork", "pause"];
                let end = family.launch(READY).args(words).env("DAEMON_START_TIMEOUT", "300").run();
                assert!(end.took > Duration::from_secs(5), "{end:#?}");
                assert_timed_out(&end, &family);
            });
        }
    });
}

/// Children that the start-up forked hold every descriptor that the daemon had, and do not delay the launcher.
#[test]
fn children_that_hold_everything() {
    let holds = |program, words: &[&str], code| {
        let family = Family::new();
        // Files, not pipes: the children may hold these.
        let file = |name| std::fs::File::create(family.path(name)).expect("a file in the directory");
        let end = family.launch(program).args(words).stdout(file("out")).stderr(file("err")).run();
        end.assert_code(code);
        assert!(end.took < Duration::from_secs(2), "{end:#?}");
    };
    holds(READY, &["fork", "fork", "notify", "pause"], 0);
    holds(READY, &["fork", "exit=3"], 3);
    holds(READY, &["fork", "error=no luck"], 1);
    holds(WITHOUT_READY, &["fork", "pause"], 0);
}
