//! Who waits for threads, and what becomes of their panics.

use tests::{End, Family};

const WAITED: &str = env!("CARGO_BIN_EXE_waited");

/// Runs it in the foreground, where its exit code is seen.
fn end(family: &Family, how: &str) -> End {
    family.launch(WAITED).env("DAEMON_FOREGROUND", "1").arg(how).run()
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
fn a_panic_is_not_lost() {
    let family = Family::new();
    let end = end(&family, "thread_panics");
    assert!(end.stderr.contains("the thread fails"), "{}", end.stderr);
    end.assert_code(101);
}

#[test]
fn a_panic_that_was_joined_is_known() {
    end(&Family::new(), "joined").assert_code(0);
}

#[test]
fn the_wait_can_be_limited() {
    let family = Family::new();
    let line = "waited: after 50ms these threads still run: worker\n";
    end(&family, "limited").assert_code(0).assert_stderr(line);
}

/// A start that fails does not wait, and so does not keep the launcher waiting.
#[test]
fn a_failed_start_does_not_wait() {
    let family = Family::new();
    family.launch(WAITED).arg("fails").run().assert_code(1).assert_stderr("Error: \"main fails\"\n");
    family.assert_gone();
}
