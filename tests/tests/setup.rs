//! `setup` runs in the launcher, at the terminal, and what it opens stays.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs;

#[cfg(linux_alone)]
use tests::Expected;
use tests::{Family, Launch, until};

const SETUP: &str = env!("CARGO_BIN_EXE_setup");

fn launch<'a>(family: &'a Family, config: &str) -> Launch<'a> {
    fs::write(family.path("config"), "from the config\n").expect("a file in the directory");
    family.launch(SETUP).args([config, "data"]).cwd(family.directory())
}

#[test]
fn what_it_prints_appears_once() {
    let family = Family::new();
    let end = launch(&family, "config").run();
    end.assert_code(0).assert_stderr("");
    assert_eq!(end.stdout, "setup\n");
}

#[cfg(linux_alone)]
#[test]
fn what_it_opens_survives() {
    let family = Family::new();
    launch(&family, "config").run().assert_code(0);
    let daemon = family.daemon();
    assert_eq!(fs::read_to_string(family.path("data")).expect("the data"), "from the config\n");
    Expected { others: vec![family.path("data")], ..Expected::default() }.assert(&daemon);
}

#[cfg(linux_alone)]
#[test]
fn options_use_its_value() {
    let family = Family::new();
    launch(&family, "config").env("DAEMON_IGNORE_SIGCHLD", "").run().assert_code(0);
    assert_eq!(family.daemon().ignored.numbers(), [13, 17]);
}

/// What the shell passed is closed in the daemon, but not before setup has read it.
#[cfg(linux_alone)]
#[test]
fn it_reads_a_process_substitution() {
    let family = Family::new();
    let command = "cd \"$1\" && exec \"$0\" <(echo substituted) data";
    let words = [SETUP.as_ref(), family.directory().as_os_str()];
    family.launch("bash").arg("-c").arg(command).args(words).run().assert_code(0);
    let daemon = family.daemon();
    assert_eq!(fs::read_to_string(family.path("data")).expect("the data"), "substituted\n");
    Expected { others: vec![family.path("data")], ..Expected::default() }.assert(&daemon);
}

#[test]
fn error_of_setup_is_returned_by_main() {
    let family = Family::new();
    let end = launch(&family, "no such file").run();
    end.assert_code(1).assert_one_line().assert_says(&["No such file or directory"]);
    assert_eq!(end.stdout, "setup\n");
    family.assert_gone();
}

#[test]
fn a_thread_that_still_runs_is_refused() {
    let family = Family::new();
    let end = launch(&family, "config").env("DAEMON_RUNNING", "").run();
    end.assert_code(70).assert_one_line().assert_says(&["thread"]);
    family.assert_gone();
}

/// The data is written by the daemon, which has left the directory that the path was relative to.
#[test]
fn paths_are_relative_to_where_it_was_started() {
    let family = Family::new();
    launch(&family, "config").run().assert_code(0);
    family.daemon();
    #[cfg(linux_alone)]
    assert_eq!(family.daemon().cwd.to_str(), Some("/"));
    until("the data", || fs::read_to_string(family.path("data")).ok().filter(|data| data.ends_with('\n')));
}
