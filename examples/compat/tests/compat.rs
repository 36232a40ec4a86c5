//! A main of its own, which detaches when it is asked to.
#![cfg(target_os = "linux")] // /proc shows the session, the terminal and the mask.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use tests::{Family, Proc, until};

const COMPAT: &str = env!("CARGO_BIN_EXE_compat");

#[test]
fn detaches_when_asked() {
    let family = Family::new();
    let start = || family.launch(COMPAT).arg("-d").arg(family.directory()).run();
    start().assert_code(0).assert_stderr("");
    let daemon = family.only();
    assert!(Proc::is_reaper(daemon.ppid), "another parent: {daemon:#?}");
    assert_ne!(daemon.sid, daemon.pid, "it leads its session: {daemon:#?}");
    assert_eq!(daemon.tty, 0, "it has a terminal: {daemon:#?}");
    assert_eq!((daemon.umask, &*daemon.cwd), (0o027, family.directory()));
    let pid = format!("{}\n", daemon.pid);
    assert_eq!(fs::read_to_string(family.path("compat.pid")).expect("a pid file"), pid);
    let log = family.path("compat.log");
    until("work in the log", || fs::read_to_string(&log).is_ok_and(|log| log.contains("working\n")).then_some(()));

    let second = start();
    second.assert_code(69).assert_one_line().assert_says(&["compat: cannot", "compat.pid", pid.trim()]);
    assert_eq!(family.only().pid, daemon.pid);

    family.launch("kill").arg(pid.trim()).run().assert_code(0);
    family.assert_nothing_left(&family.path("compat.pid"));
}

#[test]
fn stays_otherwise() {
    let family = Family::new();
    let running = family.launch(COMPAT).start();
    until("work at the terminal", || running.stdout().contains("working\n").then_some(()));
    assert_eq!(family.only().pid, running.pid());
    family.launch("kill").arg(running.pid().to_string()).run().assert_code(0);
    assert_eq!(running.end().status.signal(), Some(15));
}

#[test]
fn fails_at_the_terminal() {
    let family = Family::new();
    family.launch(COMPAT).arg("-d").run().assert_code(64).assert_one_line().assert_says(&["usage"]);
    let nowhere = family.launch(COMPAT).args(["-d", "/no/such/directory"]).run();
    nowhere.assert_one_line().assert_says(&["compat: cannot", "/no/such/directory", "No such file"]);
    assert_ne!(nowhere.status.code(), Some(0));
    family.assert_gone();
}
