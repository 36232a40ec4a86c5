//! The launch: the process table row by row, and the daemon that comes of it.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs;

#[cfg(linux_alone)]
use tests::Expected;
use tests::pty::Pty;
use tests::{Family, Proc, until};

const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");
const READY: &str = env!("CARGO_BIN_EXE_ready");

/// A row of the process table: pid, ppid, pgid, sid, whether it leads its session, whether it has a terminal.
type Row = (i32, i32, i32, i32, bool, bool);

/// The rows that `trace` has printed, each with its stage.
fn rows(printed: &str) -> Vec<(String, Row)> {
    let mut lines = printed.lines();
    let header: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(header, ["stage", "pid", "ppid", "pgid", "sid", "leader", "terminal"], "{printed}");
    let row = |line: &str| {
        let mut cells: Vec<_> = line.split_whitespace().collect();
        let values = cells.split_off(cells.len() - 6);
        let number = |index: usize| values[index].parse().unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let is = |index: usize| match values[index] {
            "yes" => true,
            "no" => false,
            other => panic!("{other} in {line:?}"),
        };
        (cells.join(" "), (number(0), number(1), number(2), number(3), is(4), is(5)))
    };
    lines.map(row).collect()
}

/// The table of a launcher that `shell` has started, with what is left to chance filled in from `rows`.
#[cfg(linux_alone)]
fn table(rows: &[(String, Row)], shell: &Proc, launcher: i32, terminal: bool) -> Vec<(String, Row)> {
    let (leader, daemon) = (rows[1].1.0, rows[3].1.0);
    let reaper = rows[4].1.1;
    assert!(Proc::is_reaper(reaper), "{rows:?}");
    let (pgid, sid) = (shell.pgid, shell.sid);
    let table: [(&str, Row); 5] = [
        ("program started", (launcher, shell.pid, pgid, sid, false, terminal)),
        ("first fork", (leader, launcher, pgid, sid, false, terminal)),
        ("setsid in the first child", (leader, launcher, leader, leader, true, false)),
        ("second fork", (daemon, leader, leader, leader, false, false)),
        ("both parents gone", (daemon, reaper, leader, leader, false, false)),
    ];
    table.map(|(stage, row)| (stage.to_owned(), row)).to_vec()
}

#[cfg(linux_alone)]
#[test]
fn the_table_as_trace_prints_it() {
    let me = Proc::of(std::process::id() as i32).expect("this process");
    for program in [WITHOUT_READY, READY] {
        let family = Family::new();
        let end = family.launch(program).env("DAEMON_TRACE", "").run();
        end.assert_code(0);
        let rows = rows(&end.stderr);
        assert_eq!(rows, table(&rows, &me, end.pid, me.tty != 0));
        assert_eq!(family.daemon().pid, rows[4].1.0);
    }
}

#[cfg(linux_alone)]
#[test]
fn the_table_at_a_terminal() {
    let family = Family::new();
    let mut terminal = Pty::open();
    // The shell leads the terminal's session, and stays. `true` keeps it from becoming the program.
    let shell = family.shell("\"$0\"; echo \"code $?\"; read line; true", [WITHOUT_READY]).env("DAEMON_TRACE", "");
    let shell = terminal.launch(shell).start();
    let seen = terminal.until("both parents gone");
    let seen = if seen.contains("code 0") && seen.ends_with('\n') { seen } else { terminal.until("code 0") };
    let printed: String =
        seen.lines().filter(|line| !line.starts_with("code")).map(|line| line.to_owned() + "\n").collect();
    let rows = rows(&printed);
    let shell = Proc::of(shell.pid()).expect("the shell reads a line");
    assert_eq!(rows, table(&rows, &shell, rows[0].1.0, true));
    Expected::default().assert(&family.daemon());
}

#[test]
fn the_table_keeps_its_columns() {
    let family = Family::new();
    let end = family.launch(WITHOUT_READY).env("DAEMON_TRACE", "").run();
    // The numbers end, and the answers begin, where their headings do.
    let widths: Vec<_> = end
        .stderr
        .lines()
        .map(|line| {
            let answer = line.trim_end().rfind(' ').map(|end| line[..end].trim_end().rfind(' '));
            let answer = answer.flatten().expect("columns");
            (line[..answer].trim_end().len(), answer)
        })
        .collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{}", end.stderr);
}

/// A table that nobody can read fails no start.
#[cfg(linux_alone)]
#[test]
fn the_table_cannot_be_printed() {
    let family = Family::new();
    let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    family.launch(WITHOUT_READY).env("DAEMON_TRACE", "").stderr(full).run().assert_code(0);
    Expected::default().assert(&family.daemon());
}

#[cfg(all(linux_alone, target_arch = "x86_64"))]
mod traced {
    use std::collections::BTreeMap;

    use tests::tracer::{Record, Role, trace};

    use super::*;

    /// Pid, ppid, pgid and sid of each process at each of its system calls, without repetitions.
    #[test]
    fn the_table_from_outside() {
        let family = Family::new();
        let mut seen = BTreeMap::<Role, Vec<[i32; 4]>>::new();
        let look = |pid| Proc::of(pid).map(|proc| [proc.pid, proc.ppid, proc.pgid, proc.sid]);
        let mut last = None;
        let launch = family.launch(WITHOUT_READY).args(["mark", "pause"]);
        let record = trace(
            launch,
            |call| {
                let rows = seen.entry(call.role).or_default();
                rows.extend(look(call.pid).filter(|row| rows.last() != Some(row)));
                None
            },
            |record| last = look(record.pids[&Role::Daemon]),
        );
        assert_eq!(record.code(), Some(0), "{record:#?}");
        let me = Proc::of(std::process::id() as i32).expect("this process");
        let [launcher, leader, daemon] = [Role::Launcher, Role::Leader, Role::Daemon].map(|role| record.pids[&role]);
        assert_eq!(seen[&Role::Launcher], [[launcher, me.pid, me.pgid, me.sid]]);
        assert_eq!(seen[&Role::Leader], [[leader, launcher, me.pgid, me.sid], [leader, launcher, leader, leader]]);
        let rows = &seen[&Role::Daemon];
        assert!(rows.iter().all(|[pid, _, pgid, sid]| (*pid, *pgid, *sid) == (daemon, leader, leader)), "{rows:?}");
        // The launcher adopts it when the session leader has gone, now or later.
        let parents: Vec<_> = rows.iter().map(|row| row[1]).filter(|parent| !Proc::is_reaper(*parent)).collect();
        assert!([leader, launcher].windows(parents.len()).any(|some| some == parents), "{parents:?}");
        let [_, reaper, ..] = last.expect("the daemon");
        assert!(Proc::is_reaper(reaper), "{reaper}");
    }

    /// In which order: fork, setsid, fork, the session leader's end, the launcher's, the body.
    #[test]
    #[cfg_attr(daemon_portable, ignore = "Linux alone: the session leader does not stay")]
    fn the_order_from_outside() {
        let family = Family::new();
        let record = trace(family.launch(WITHOUT_READY).args(["mark", "pause"]), |_| None, |_| ());
        let forks = |role| place(&record, role, &["fork", "clone", "clone3", "vfork"]);
        let places = [
            forks(Role::Launcher),
            place(&record, Role::Leader, &["setsid"]),
            forks(Role::Leader),
            place(&record, Role::Leader, &["exit_group"]),
            place(&record, Role::Launcher, &["exit_group"]),
        ];
        assert!(places.is_sorted(), "{places:?} {record:#?}");
        let count = |role| record.of(role).filter(|call| call.name() == "setsid").count();
        assert_eq!([count(Role::Launcher), count(Role::Daemon)], [0, 0]);
        assert!(record.body, "the body is not reached");
    }

    /// Where a process makes the first of these calls.
    fn place(record: &Record, role: Role, names: &[&str]) -> usize {
        let is = |call: &tests::tracer::Call| call.role == role && names.contains(&&*call.name());
        record.calls.iter().position(is).unwrap_or_else(|| panic!("no {names:?} in {record:#?}"))
    }
}

/// The same by another witness.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs strace")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: the list of calls")]
fn the_launch_as_strace_sees_it() {
    let family = Family::new();
    let log = family.path("log");
    let traced = "trace=fork,vfork,clone,clone3,setsid,exit_group";
    let words = ["-f", "-e", traced, "-o"].map(String::from).into_iter().chain([log.display().to_string()]);
    family.launch("strace").args(words).args([WITHOUT_READY, "touch=body"]).run().assert_code(0);
    let log = fs::read_to_string(log).expect("strace's log");
    // "pid call(arguments) = result", and "+++ exited with 0 +++".
    let calls: Vec<(&str, &str)> = log.lines().filter_map(|line| line.split_once(' ')).collect();
    let by = |pid: &str, name: &str| {
        let is = |call: &&(&str, &str)| call.0 == pid && call.1.trim_start().starts_with(name);
        calls.iter().filter(is).count()
    };
    let mut pids: Vec<&str> = Vec::new();
    for (pid, _) in &calls {
        if !pids.contains(pid) {
            pids.push(pid);
        }
    }
    let [launcher, leader, daemon] = pids[..] else { panic!("three processes: {log}") };
    for (pid, forks, sessions) in [(launcher, 1, 0), (leader, 1, 1), (daemon, 0, 0)] {
        let count = by(pid, "clone") + by(pid, "fork") + by(pid, "vfork");
        // A call that another process interrupts in the log has two lines; the second begins with "<...".
        assert_eq!((count, by(pid, "setsid")), (forks, sessions), "{pid} in {log}");
        assert_eq!(by(pid, "+++ exited with 0"), 1, "{pid} in {log}");
    }
}

#[cfg(linux_alone)]
#[test]
fn the_daemon_of_the_textbook() {
    let family = Family::new();
    let options = [("DAEMON_UMASK", "0"), ("DAEMON_CHDIR", "/"), ("DAEMON_IGNORE_SIGCHLD", "")];
    let launch = family.launch(WITHOUT_READY).args(["child", "touch=body", "pause"]);
    options.into_iter().fold(launch, |launch, (name, value)| launch.env(name, value)).run().assert_code(0);
    let daemon = family.daemon();
    Expected { umask: 0, ignored: vec![13, 17], ..Expected::default() }.assert(&daemon);
    until("the child's end without a trace", || family.only().pid.eq(&daemon.pid).then_some(()));
    assert_eq!(Proc::zombies(daemon.pid), 0);
}

/// Without `ignore_sigchld` a dead child stays until it is waited for: the test above can fail.
#[cfg(linux_alone)]
#[test]
fn without_ignore_sigchld_a_zombie_stays() {
    let family = Family::new();
    family.launch(WITHOUT_READY).args(["child", "touch=body", "pause"]).run().assert_code(0);
    let daemon = family.daemon();
    until("a zombie", || (Proc::zombies(daemon.pid) == 1).then_some(()));
}

/// It would be its own launcher, and end.
#[test]
fn a_daemon_does_not_start_again() {
    let said = "again: cannot start the daemon: this process is a daemon already; start it once only\n";
    for words in [["again", "notify"], ["notify", "again"]] {
        let family = Family::new();
        let [pid_file, log] = ["pid", "log"].map(|name| family.path(name));
        let launch = family.launch(READY).env("DAEMON_PID_FILE", &pid_file).env("DAEMON_STDERR", &log);
        let end = launch.args(words).args(["touch=body", "pause"]).run();
        end.assert_code(0);
        let daemon = family.at("body");
        assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), format!("{}\n", daemon.pid));
        assert_eq!(end.stderr + &fs::read_to_string(&log).expect("a log"), said);
        assert_eq!(family.members(), [daemon.pid]);
    }
}

#[test]
fn the_daemon_survives_its_terminal() {
    for program in [WITHOUT_READY, READY] {
        let family = Family::new();
        let terminal = Pty::open();
        let launcher = terminal.launch(family.launch(program)).start();
        launcher.end().assert_code(0);
        let daemon = family.daemon();
        terminal.close();
        // By then a hangup would have come: the terminal's own session has felt it.
        let other = Pty::open();
        let witness = other.launch(family.launch("sleep").arg("100")).start();
        other.close();
        assert!(!witness.end().status.success(), "the terminal was not hung up");
        assert!(Proc::lives(daemon.pid), "the daemon does not survive");
        #[cfg(linux_alone)]
        Expected::default().assert(&Proc::of(daemon.pid).expect("the daemon survives"));
    }
}

/// Adopted by the nearest subreaper, the daemon does not depend on it: nothing of the launch's watch is left.
#[cfg(linux_alone)]
#[test]
fn the_daemon_survives_its_subreaper() {
    for program in [WITHOUT_READY, READY] {
        let family = Family::new();
        let reaper = family.launch(env!("CARGO_BIN_EXE_subreaper")).arg(program).start();
        let adopted = until("the daemon's new parent", || Some(family.daemon()).filter(|it| it.ppid == reaper.pid()));
        fs::write(family.path("end"), "").expect("a file in the directory");
        reaper.end().assert_code(0);
        Expected::default().assert(&Proc::of(adopted.pid).expect("the daemon survives"));
    }
}
