//! Who waits for threads, what becomes of their panics, and that a start is refused where there are threads already.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs;

use tests::{End, Family};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");
const WAITS_FOR_THREADS: &str = env!("CARGO_BIN_EXE_waits_for_threads");

/// Runs it in the foreground, where its exit code is seen.
fn end(family: &Family, how: &str) -> End {
    family.launch(WAITS_FOR_THREADS).env("DAEMON_FOREGROUND", "1").arg(how).run()
}

#[test]
fn main_waits() {
    for (how, code) in [("returns", 0), ("errs", 1), ("panics", 101)] {
        let family = Family::new();
        end(&family, how).assert_code(code);
        assert!(family.path("thread").is_symlink(), "{how}: the thread was cut off");
    }
}

/// A thread has ended when nothing of it is left to be dropped, as for std's join.
#[test]
fn main_waits_for_what_a_thread_leaves() {
    let family = Family::new();
    end(&family, "leaves_work").assert_code(0);
    for mark in ["value", "local"] {
        assert!(family.path(mark).is_symlink(), "the drop of the {mark} was cut off");
    }
}

#[test]
fn exit_does_not_wait() {
    let family = Family::new();
    end(&family, "exits").assert_code(7);
}

#[test]
fn panic_of_a_thread_becomes_the_exit_code() {
    let family = Family::new();
    let end = end(&family, "thread_panics");
    assert!(end.stderr.contains("the thread fails"), "{}", end.stderr);
    end.assert_code(101);
}

#[test]
fn joined_panic_is_no_failure() {
    end(&Family::new(), "joined").assert_code(0);
}

#[test]
fn the_wait_can_be_limited() {
    let family = Family::new();
    let line = "waits_for_threads: after 0.05 s these threads still run: worker\n";
    end(&family, "limited").assert_code(0).assert_stderr(line);
}

/// A start that fails does not wait, and so does not keep the launcher waiting.
#[test]
fn a_failed_start_does_not_wait() {
    let family = Family::new();
    family.launch(WAITS_FOR_THREADS).arg("fails").run().assert_code(1).assert_stderr("Error: \"main fails\"\n");
    family.assert_gone();
}

#[test]
fn threads_are_refused() {
    for program in [WITHOUT_READY, READY] {
        let family = Family::new();
        let end = family.launch(program).env("DAEMON_THREAD", "").run();
        end.assert_code(70).assert_one_line().assert_says(&["thread"]);
        family.assert_gone();
    }
}

/// A profiler or an agent has a thread before main. In the foreground nothing is forked, so that it does no harm.
#[cfg(linux_alone)]
#[test]
#[cfg(not(target_feature = "crt-static"))]
#[ignore = "needs a C compiler"]
fn preloaded_thread() {
    const AGENT: &str = "#include <pthread.h>\n#include <unistd.h>\n\
        static void *run(void *nothing) { for (;;) pause(); return nothing; }\n\
        __attribute__((constructor)) static void begin(void) { pthread_t it; pthread_create(&it, 0, run, 0); }\n";
    let family = Family::new();
    let [source, agent] = ["agent.c", "agent.so"].map(|name| family.path(name));
    fs::write(&source, AGENT).expect("a file in the directory");
    let width = if cfg!(target_arch = "x86") { "-m32" } else { "-O1" };
    let compiler = family.launch("cc").args([width, "-shared", "-fPIC", "-pthread", "-o"]).arg(&agent).arg(&source);
    compiler.run().assert_code(0);
    let launch = || family.launch(READY).env("LD_PRELOAD", &agent);
    launch().env("DAEMON_FOREGROUND", "").args(["notify", "exit=3"]).run().assert_code(3).assert_stderr("");
    launch().run().assert_code(70).assert_one_line().assert_says(&["thread", "LD_PRELOAD"]);
    family.assert_gone();
}

/// no_new_privileges is of one thread: those that `setup` has started would not have it.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: no_new_privileges is not to be had elsewhere")]
fn no_new_privileges_of_a_process_with_threads() {
    let family = Family::new();
    let launch = family.launch(READY).env("DAEMON_FOREGROUND", "1").env("DAEMON_THREAD", "1");
    let end = launch.env("DAEMON_NO_NEW_PRIVILEGES", "").run();
    end.assert_code(70).assert_one_line().assert_says(&["the process already has 1 other thread"]);
    family.assert_gone();
}
