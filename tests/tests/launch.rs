//! The launch: the process table row by row, and the daemon that comes of it.

use std::error::Error;
use std::fs;
use std::io;
use std::process::Command;

use daemon_runtime::{Daemon, Instance, Step};
use nix::errno::Errno;
#[cfg(target_arch = "x86_64")]
use nix::libc;
use tests::pty::Pty;
use tests::{Expected, Family, Proc, until};

const PLAIN: &str = env!("CARGO_BIN_EXE_plain");
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

#[test]
fn the_table_as_trace_prints_it() {
    let me = Proc::of(std::process::id() as i32).expect("this process");
    for program in [PLAIN, READY] {
        let family = Family::new();
        let end = family.launch(program).env("DAEMON_TRACE", "").run();
        end.assert_code(0);
        let rows = rows(&end.stderr);
        assert_eq!(rows, table(&rows, &me, end.pid, me.tty != 0));
        assert_eq!(family.daemon().pid, rows[4].1.0);
    }
}

#[test]
fn the_table_at_a_terminal() {
    let family = Family::new();
    let mut terminal = Pty::open();
    // The shell leads the terminal's session, and stays. `true` keeps it from becoming the program.
    let shell = family.shell("$0; echo \"code $?\"; read line; true", [PLAIN]).env("DAEMON_TRACE", "");
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
    let end = family.launch(PLAIN).env("DAEMON_TRACE", "").run();
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
#[test]
fn the_table_goes_nowhere() {
    let family = Family::new();
    let full = fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    family.launch(PLAIN).env("DAEMON_TRACE", "").stderr(full).run().assert_code(0);
    Expected::default().assert(&family.daemon());
}

#[cfg(target_arch = "x86_64")]
mod traced {
    use std::collections::BTreeMap;

    use tests::hostile;
    use tests::tracer::{Fault, Record, Role, trace};

    use super::*;

    /// Pid, ppid, pgid and sid of each process at each of its system calls, without repetitions.
    #[test]
    fn the_table_from_outside() {
        let family = Family::new();
        let mut seen = BTreeMap::<Role, Vec<[i32; 4]>>::new();
        let look = |pid| Proc::of(pid).map(|proc| [proc.pid, proc.ppid, proc.pgid, proc.sid]);
        let mut last = None;
        let launch = family.launch(PLAIN).args(["mark", "pause"]);
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
    fn the_order_from_outside() {
        let family = Family::new();
        let record = trace(family.launch(PLAIN).args(["mark", "pause"]), |_| None, |_| ());
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
        assert!(record.body);
    }

    /// Where a process makes the first of these calls.
    fn place(record: &Record, role: Role, names: &[&str]) -> usize {
        let is = |call: &tests::tracer::Call| call.role == role && names.contains(&&*call.name());
        record.calls.iter().position(is).unwrap_or_else(|| panic!("no {names:?} in {record:#?}"))
    }

    /// A failing step: who fails at what, with which error; the exit code, and what the line says.
    type Failing = (Role, &'static [&'static str], Errno, i32, &'static [&'static str]);

    const FORK: &[&str] = &["fork", "clone", "clone3"];

    const FAILING: &[Failing] = &[
        (Role::Launcher, &["socketpair"], Errno::EMFILE, 71, &["socket", "Too many open files"]),
        (Role::Launcher, &["close_range"], Errno::ENOSYS, 71, &["close", "descriptors", "Linux 5.9"]),
        (Role::Launcher, FORK, Errno::EAGAIN, 71, &["fork", "again"]),
        (Role::Leader, &["setsid"], Errno::EPERM, 77, &["session", "not permitted"]),
        (Role::Leader, FORK, Errno::EAGAIN, 71, &["fork", "again"]),
        (Role::Daemon, &["pidfd_open"], Errno::EMFILE, 71, &["launcher", "Too many open files"]),
        (Role::Daemon, &["chdir", "fchdir"], Errno::EACCES, 77, &["directory", "/", "Permission denied"]),
        (Role::Daemon, &["dup2", "dup3"], Errno::EBUSY, 73, &["stdin", "busy"]),
        (Role::Daemon, &["rt_sigaction"], Errno::EINVAL, 71, &["signal", "Invalid argument"]),
        (Role::Daemon, &["rt_sigprocmask"], Errno::EINVAL, 71, &["signals", "Invalid argument"]),
    ];

    #[test]
    fn failing_steps() {
        for (role, names, errno, code, says) in FAILING {
            let family = Family::new();
            let fault = |call: &tests::tracer::Call| {
                (call.role == *role && names.contains(&&*call.name())).then_some(Fault::Fail(*errno))
            };
            // With a descriptor that is to be closed, or close_range is never called for inherited ones.
            let inherited = hostile::open(300, "/dev/null".into());
            let record = trace(family.launch(PLAIN).args(["mark", "pause"]).under(inherited), fault, |_| ());
            assert!(record.hit.is_some(), "{names:?} of {role:?} is never called");
            let said = &record.stderr;
            assert_eq!(record.code(), Some(*code), "{names:?} of {role:?}: {said}");
            assert!(said.starts_with("plain: cannot ") && said.lines().count() == 1, "{names:?} of {role:?}: {said}");
            for part in *says {
                assert!(said.contains(part), "{part:?} is not in {said:?}");
            }
            assert!(record.hung.is_empty() && !record.body, "{record:#?}");
            family.assert_gone();
        }
    }
}

/// The same by another witness.
#[test]
#[ignore = "needs strace"]
fn the_launch_as_strace_sees_it() {
    let family = Family::new();
    let log = family.path("log");
    let traced = "trace=fork,vfork,clone,clone3,setsid,exit_group";
    let words = ["-f", "-e", traced, "-o"].map(String::from).into_iter().chain([log.display().to_string()]);
    family.launch("strace").args(words).args([PLAIN, "touch=body"]).run().assert_code(0);
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

#[test]
fn the_daemon_of_the_textbook() {
    let family = Family::new();
    let options = [("DAEMON_UMASK", "0"), ("DAEMON_CHDIR", "/"), ("DAEMON_IGNORE_SIGCHLD", "")];
    let launch = family.launch(PLAIN).args(["child", "touch=body", "pause"]);
    options.into_iter().fold(launch, |launch, (name, value)| launch.env(name, value)).run().assert_code(0);
    let daemon = family.daemon();
    Expected { umask: 0, ignored: vec![13, 17], ..Expected::default() }.assert(&daemon);
    until("the child's end without a trace", || family.only().pid.eq(&daemon.pid).then_some(()));
    assert_eq!(Proc::zombies(daemon.pid), 0);
}

/// Without `ignore_sigchld` a dead child stays until it is waited for: the test above can fail.
#[test]
fn without_ignore_sigchld_a_zombie_stays() {
    let family = Family::new();
    family.launch(PLAIN).args(["child", "touch=body", "pause"]).run().assert_code(0);
    let daemon = family.daemon();
    until("a zombie", || (Proc::zombies(daemon.pid) == 1).then_some(()));
}

#[test]
fn log_files_are_appended_to_and_shared() {
    let family = Family::new();
    let log = family.path("log");
    fs::write(&log, "before\n").expect("a file in the folder");
    let words = ["print=out", "eprint=err", "print=out again", "touch=body", "pause"];
    let launch = family.launch(PLAIN).args(words).env("DAEMON_STDOUT", &log).env("DAEMON_STDERR", &log);
    launch.run().assert_code(0).assert_stderr("");
    let daemon = family.daemon();
    assert_eq!(fs::read_to_string(&log).expect("the log"), "before\nout\nerr\nout again\n");
    Expected { streams: ["/dev/null".into(), log.clone(), log], ..Expected::default() }.assert(&daemon);
    // One open file, not two: a flag set on one is seen on the other, and so is its offset.
    let info = |fd| fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", daemon.pid)).expect("fdinfo");
    assert_eq!(info(1), info(2));
}

#[test]
fn stdin_is_read_from_its_file() {
    let family = Family::new();
    let file = family.path("in");
    fs::write(&file, "").expect("a file in the folder");
    family.launch(PLAIN).env("DAEMON_STDIN", &file).run().assert_code(0);
    let null = || "/dev/null".into();
    Expected { streams: [file, null(), null()], ..Expected::default() }.assert(&family.daemon());
}

/// What `print!` left in the buffer appears once.
#[test]
fn buffered_output_appears_once() {
    for program in [PLAIN, READY] {
        let family = Family::new();
        let end = family.launch(program).env("DAEMON_PRINT", "no newline").run();
        end.assert_code(0);
        assert_eq!(end.stdout, "no newline");
    }
}

#[test]
fn threads_are_refused() {
    for program in [PLAIN, READY] {
        let family = Family::new();
        let end = family.launch(program).env("DAEMON_THREAD", "").run();
        end.assert_code(70).assert_one_line().assert_says(&["thread"]);
        family.assert_gone();
    }
}

/// What the user gave is wrong: said in the launcher, with the object, before anything is forked.
#[test]
fn wrong_values() {
    let family = Family::new();
    let folder = family.folder().display().to_string();
    let missing = format!("{folder}/no/such");
    let wrong: &[(&str, &str, i32, &[&str])] = &[
        ("UMASK", "0o1000", 64, &["umask", "0o1000", "0o777"]),
        ("CHDIR", "relative", 64, &["chdir", "relative", "absolute"]),
        ("CHDIR", &missing, 71, &[&missing, "No such file"]),
        ("CHDIR", PLAIN, 71, &[PLAIN, "Not a directory"]),
        ("STDIN", &missing, 73, &["stdin", &missing, "No such file"]),
        ("STDOUT", &missing, 73, &["stdout", &missing, "No such file"]),
        ("STDERR", &folder, 73, &["stderr", &folder, "Is a directory"]),
        ("STDOUT", "", 64, &["stdout", "empty"]),
        ("STDOUT", &format!("{missing}\n\u{1b}"), 73, &[&format!("{missing}\\n\\u{{1b}}: No such file")]),
        ("STDOUT", &"x".repeat(256), 73, &["File name too long; correct the path"]),
        ("START_TIMEOUT", "0", 64, &["start_timeout"]),
    ];
    for (name, value, code, says) in wrong {
        let end = family.launch(PLAIN).env(format!("DAEMON_{name}"), value).run();
        end.assert_code(*code).assert_one_line().assert_says(says).assert_says(&["plain: cannot ", "; "]);
    }
    family.assert_gone();
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

/// A body may confine itself before it is ready. What that forbids to the launch makes the start fail, and not hang.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_filter_of_the_body_forbids_a_call() {
    let killed = (159, "ready: cannot start the daemon: the daemon was killed by SIGSYS\n");
    let refused = (77, "ready: cannot wait for the launcher's end: Operation not permitted; ");
    let filters = [
        ("deadly", libc::SYS_poll, killed),
        ("deadly", libc::SYS_recvfrom, killed),
        ("deadly", libc::SYS_ioctl, killed),
        ("deadly", libc::SYS_close_range, killed),
        ("deny", libc::SYS_poll, refused),
    ];
    for (filter, call, (code, says)) in filters {
        let family = Family::new();
        let pid_file = family.path("pid");
        let end = family.launch(READY).env("DAEMON_PID_FILE", &pid_file);
        let end = end.args([&format!("{filter}={call}"), "notify", "pause"]).run();
        end.assert_code(code).assert_one_line().assert_says(&[says]);
        assert!(!pid_file.exists(), "{filter}={call}");
        family.assert_gone();
    }
}

#[test]
fn the_error_reads_well_from_main() {
    let family = Family::new();
    let end = family.launch(env!("CARGO_BIN_EXE_by_hand")).env("DAEMON_CHDIR", "/no/such").run();
    end.assert_code(1).assert_one_line().assert_says(&["Error: cannot ", "/no/such: No such file or directory; "]);
    family.assert_gone();
}

/// This process has threads, as every process that runs tests: the only error of a correct `Daemon`.
#[test]
fn the_error_answers() {
    let bad = Daemon::new().umask(0o1000).start().expect_err("a bad value");
    assert_eq!((bad.step(), bad.exit_code()), (Step::Options, 64));
    let threads = Daemon::new().start().expect_err("threads");
    assert_eq!((threads.step(), threads.exit_code()), (Step::Threads, 70));
    assert!(bad.source().is_none() && threads.source().is_none());
    let call = Instance::at("/dev/null/pid").pid().expect_err("not a directory");
    let source = call.source().and_then(|source| source.downcast_ref::<io::Error>()).expect("that of the call");
    assert_eq!(source.raw_os_error(), Some(Errno::ENOTDIR as i32));
    assert_eq!((call.step(), call.exit_code()), (Step::Instance, 71));
    assert_eq!(format!("{threads}"), format!("{threads:?}"));
    assert_eq!(format!("{threads}").lines().count(), 1);
}

#[test]
fn the_daemon_survives_its_terminal() {
    for program in [PLAIN, READY] {
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
        assert!(!witness.end().status.success());
        Expected::default().assert(&Proc::of(daemon.pid).expect("the daemon survives"));
    }
}

/// Adopted by the nearest subreaper, the daemon does not depend on it: nothing of the launch's watch is left.
#[test]
fn the_daemon_survives_its_subreaper() {
    for program in [PLAIN, READY] {
        let family = Family::new();
        let reaper = family.launch(env!("CARGO_BIN_EXE_subreaper")).arg(program).start();
        let adopted = until("the daemon's new parent", || Some(family.daemon()).filter(|it| it.ppid == reaper.pid()));
        fs::write(family.path("end"), "").expect("a file in the folder");
        reaper.end().assert_code(0);
        Expected::default().assert(&Proc::of(adopted.pid).expect("the daemon survives"));
    }
}

/// What a crate that depends on `daemon-runtime` brings in.
#[test]
fn dependencies_of_a_user() {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut tree = Command::new(cargo);
    tree.args([
        "tree",
        "--offline",
        "--locked",
        "-p",
        "daemon-runtime",
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "-f",
        "{p}|{f}",
    ]);
    tree.args(["--target", "x86_64-unknown-linux-gnu", "--color", "never", "--no-dedupe"]);
    let output = tree.output().expect("cargo runs");
    assert!(output.status.success(), "{output:#?}");
    let text = String::from_utf8(output.stdout).expect("names");
    let mut crates: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    crates.sort_unstable();
    crates.dedup();
    let ours = ["daemon-macro", "daemon-runtime"];
    let needed = ["bitflags", "cfg-if", "cfg_aliases", "libc", "nix", "proc-macro2", "quote", "syn", "unicode-ident"];
    let mut wanted: Vec<&str> = ours.into_iter().chain(needed).collect();
    wanted.sort_unstable();
    assert_eq!(crates, wanted, "{text}");
    let syn = text.lines().find(|line| line.starts_with("syn ")).expect("syn is there");
    assert_eq!(syn.rsplit('|').next(), Some("parsing,printing,proc-macro"), "{syn}");
}
