//! The attribute above a function that is not main.

use tests::Family;

const VERBS: &str = env!("CARGO_BIN_EXE_verbs");

#[test]
fn the_caller_starts_the_daemon_and_the_daemon_returns() {
    for verb in ["serve", "serve_async"] {
        let family = Family::new();
        let (directory, pid_file) = (family.directory().display().to_string(), family.path("pid"));
        let launch = family.launch(VERBS).env("DAEMON_VERB", verb).env("DAEMON_CHDIR", &directory);
        let end = launch.env("DAEMON_PID_FILE", &pid_file).args(["notify", "touch=body", "wait=go"]).run();
        end.assert_code(0);
        family.daemon();
        #[cfg(linux_alone)]
        assert_eq!(family.daemon().cwd, family.directory(), "{verb}: a parameter that an option uses");
        assert!(Family::is_locked(&pid_file), "{verb}: the pid file is not locked");
        std::os::unix::fs::symlink("-", family.path("go")).expect("a mark");
        // The daemon, and nobody else, goes on behind the call.
        family.assert_gone();
        assert!(family.path(format!("returned_{}", directory.len())).is_symlink(), "{verb}: it has not returned");
        assert!(!pid_file.exists(), "{verb}: the pid file is left");
    }
}

/// What it returns before it is ready goes to its caller, and by main's `?` to the terminal.
#[test]
fn an_error_before_it_is_ready_ends_the_start() {
    for verb in ["serve", "serve_async"] {
        let family = Family::new();
        let launch = family.launch(VERBS).env("DAEMON_VERB", verb).args(["error=no port"]);
        launch.run().assert_code(1).assert_one_line().assert_says(&["Error: \"no port\""]);
        family.assert_gone();
    }
}

#[test]
fn a_second_call_is_refused() {
    let family = Family::new();
    let launch = family.launch(VERBS).env("DAEMON_VERB", "twice").args(["notify", "ok"]);
    // The daemon says so in its log, which is /dev/null, and ends.
    launch.run().assert_code(0);
    family.assert_gone();
    let family = Family::new();
    let launch = family.launch(VERBS).env("DAEMON_VERB", "twice").args(["ok"]);
    let end = launch.run();
    end.assert_code(70).assert_one_line().assert_says(&["this process is a daemon already; start it once only"]);
    family.assert_gone();
}

/// It would copy one thread of several.
#[test]
fn a_process_with_threads_is_refused() {
    let family = Family::new();
    let launch = family.launch(VERBS).env("DAEMON_VERB", "serve").env("DAEMON_THREAD", "1");
    launch.run().assert_code(70).assert_one_line().assert_says(&["threads"]);
    family.assert_gone();
}
