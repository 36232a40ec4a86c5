//! The pid file: one instance, whatever lay there before, and nothing there at the end.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use daemon_runtime::Instance;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
#[cfg(linux_alone)]
use tests::accounts::{AS_NOBODY, launch_as};
use tests::pty::Pty;
use tests::{End, Family, Launch, Proc, listing, strerror, until, within};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");

fn launch<'a>(family: &'a Family, pid_file: &Path) -> Launch<'a> {
    family.launch(READY).env("DAEMON_PID_FILE", pid_file)
}

/// The pid in a pid file, which must be complete.
#[track_caller]
fn pid_in(pid_file: &Path) -> i32 {
    let content = fs::read_to_string(pid_file).unwrap_or_else(|error| panic!("{}: {error}", pid_file.display()));
    let pid = content.strip_suffix('\n').and_then(|pid| pid.parse().ok());
    pid.filter(|pid| format!("{pid}\n") == content).unwrap_or_else(|| panic!("not a pid and a newline: {content:?}"))
}

/// The living daemon that the pid file names and that holds its lock.
#[track_caller]
fn daemon_of(pid_file: &Path) -> Proc {
    let pid = pid_in(pid_file);
    let daemon = Proc::of(pid).unwrap_or_else(|| panic!("process {pid} is dead"));
    assert!(Family::is_locked(pid_file), "nobody holds the pid file");
    daemon
}

/// Starts a daemon that stays and makes no mark.
#[track_caller]
fn start(family: &Family, pid_file: &Path) -> Proc {
    launch(family, pid_file).args(["notify", "pause"]).run().assert_code(0).assert_stderr("");
    daemon_of(pid_file)
}

fn send(signal: Signal, pid: i32) {
    kill(Pid::from_raw(pid), signal).unwrap_or_else(|error| panic!("{signal} to {pid}: {error}"));
}

fn until_dead(pid: i32) {
    until(&format!("the death of {pid}"), || (!Proc::lives(pid)).then_some(()));
}

#[track_caller]
fn assert_refused(end: &End, pid_file: &Path, why: &str) {
    end.assert_code(73).assert_one_line().assert_says(&[why]);
    let begins = format!("ready: cannot lock pid file {}: ", pid_file.display());
    assert!(end.stderr.starts_with(&begins), "{end:#?}");
}

// One instance.

/// Each has two pipes to the test, and other systems allow few processes and descriptors.
const STARTS: usize = if cfg!(linux_alone) { 100 } else { 20 };

/// Rounds of simultaneous starts.
fn start_at_once(rounds: usize) {
    let family = Family::new();
    let pid_file = family.path("pid");
    for round in 0..rounds {
        if round % 2 == 0 {
            // The pid of a process that lives and is no daemon. The other rounds find that of the daemon before.
            fs::write(&pid_file, format!("{}\n", std::process::id())).expect("a stale file");
        }
        let starts: Vec<_> =
            (0..STARTS).map(|_| launch(&family, &pid_file).args(["notify", "pause"]).start()).collect();
        let ends: Vec<_> = starts.into_iter().map(|start| start.end()).collect();
        let daemon = daemon_of(&pid_file);
        let (won, lost): (Vec<_>, Vec<_>) = ends.iter().partition(|end| end.status.success());
        assert_eq!(won.len(), 1, "round {round}: {won:#?}");
        let held = format!("held by process {};", daemon.pid);
        for end in lost {
            end.assert_code(69).assert_one_line().assert_says(&[&held]);
        }
        assert_eq!(family.members(), [daemon.pid], "round {round}");
        send(if round % 2 == 0 { Signal::SIGKILL } else { Signal::SIGTERM }, daemon.pid);
        until_dead(daemon.pid);
        assert_eq!(pid_file.exists(), round % 2 == 0, "round {round}");
    }
}

#[test]
fn one_of_many_starts_succeeds() {
    start_at_once(3);
}

#[test]
#[ignore = "takes ten seconds"]
fn one_of_many_starts_succeeds_in_50_rounds() {
    start_at_once(50);
}

/// The old daemon ends and removes its file while others start. At most one of them may succeed.
#[test]
fn starts_while_the_old_daemon_ends() {
    let family = Family::new();
    let pid_file = family.path("pid");
    for round in 0..20 {
        let old = start(&family, &pid_file);
        let starts = (0..10).map(|number| {
            if number == 5 {
                send(Signal::SIGTERM, old.pid);
            }
            launch(&family, &pid_file).args(["notify", "pause"]).start()
        });
        let ends: Vec<_> = starts.collect::<Vec<_>>().into_iter().map(|start| start.end()).collect();
        until_dead(old.pid);
        let (won, lost): (Vec<_>, Vec<_>) = ends.iter().partition(|end| end.status.success());
        assert!(won.len() <= 1, "round {round}: {won:#?}");
        let mut held = vec![format!("held by process {};", old.pid)];
        match won[..] {
            [] => assert!(!pid_file.exists(), "round {round}"),
            _ => {
                let new = daemon_of(&pid_file).pid;
                assert_eq!(family.members(), [new], "round {round}");
                held.push(format!("held by process {new};"));
                send(Signal::SIGTERM, new);
                until_dead(new);
            }
        }
        for end in lost {
            end.assert_code(69).assert_one_line();
            assert!(held.iter().any(|held| end.stderr.contains(held)), "round {round}: {held:?} {end:#?}");
        }
    }
}

/// The file says who the daemon is while that still starts. The line is complete when the daemon is.
#[test]
fn written_before_ready() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let running = launch(&family, &pid_file).args(["touch=early", "wait=go", "notify", "pause"]).start();
    let daemon = family.at("early");
    let content = || fs::read_to_string(&pid_file).expect("a pid file");
    assert_eq!(content(), daemon.pid.to_string());
    assert!(Family::is_locked(&pid_file), "nobody holds the pid file");
    let held = format!("held by process {}; stop it first, or choose another pid file\n", daemon.pid);
    launch(&family, &pid_file).run().assert_code(69).assert_one_line().assert_says(&[&held]);
    assert_eq!(content(), daemon.pid.to_string(), "after another start");
    fs::write(family.path("go"), "").expect("a mark");
    running.end().assert_code(0).assert_stderr("");
    assert_eq!(daemon_of(&pid_file).pid, daemon.pid);
}

/// Whoever may stop the daemon may do so while it starts: by the pid in the file, as any tool does.
#[test]
fn stopped_while_it_starts() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let family = Family::new();
        let pid_file = family.path("pid");
        let running = launch(&family, &pid_file).args(["touch=early", "pause"]).start();
        let daemon = family.at("early");
        let line = family.shell("kill -$0 $(cat \"$1\")", [&signal.as_str()[3..], &pid_file.to_string_lossy()]);
        line.run().assert_code(0);
        let end = running.end();
        end.assert_code(128 + signal as i32).assert_one_line();
        end.assert_says(&[&format!("the daemon was killed by {signal}")]);
        assert!(!Proc::lives(daemon.pid), "it still runs");
        family.assert_nothing_left(&pid_file);
    }
}

/// The winner is stopped where it has the lock of what was a stale file, and has not written to it: whoever comes then waits.
#[cfg(linux_alone)]
#[test]
#[cfg(target_arch = "x86_64")]
fn locked_but_not_yet_written() {
    use std::cell::RefCell;
    use tests::tracer::{Call, Role, trace};

    let family = Family::new();
    let pid_file = family.path("pid");
    fs::write(&pid_file, format!("{}\n", std::process::id())).expect("a stale file");
    let start_late = || launch(&family, &pid_file).run();
    let record = thread::scope(|scope| {
        let late = RefCell::new(None);
        let at_call = |call: &Call| {
            let forks = ["fork", "clone", "clone3"].contains(&&*call.name());
            if late.borrow().is_none() && call.role == Role::Launcher && forks {
                assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), "");
                assert!(Family::is_locked(&pid_file), "nobody holds the pid file");
                // By a thread, as the tracer waits for all children of its own.
                let start = scope.spawn(start_late);
                // A start that takes the file for nobody's needs some milliseconds for that.
                within(Duration::from_millis(300), || start.is_finished().then_some(()));
                late.replace(Some(start));
            }
            None
        };
        trace(launch(&family, &pid_file).args(["notify", "mark"]), at_call, |record| {
            let held = format!("held by process {};", record.pids[&Role::Daemon]);
            let late = late.take().expect("the winner forks").join().expect("no panic");
            late.assert_code(69).assert_one_line().assert_says(&[&held]);
        })
    });
    assert!(record.body, "{record:#?}");
}

/// The daemon has ended before it was ready, and its launcher, which has the lock too, has still to clear away.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell who has ended and is not reaped")]
fn locked_by_the_launcher_of_a_daemon_that_has_ended() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let daemon = Instance::at(&pid_file);
    for asks in [false, true] {
        let first = launch(&family, &pid_file).args(["touch=body", "pause"]).start();
        let ended = family.daemon().pid;
        fs::remove_file(family.path("body")).expect("the mark");
        first.signal(Signal::SIGSTOP);
        send(Signal::SIGKILL, ended);
        until("its end", || (!Proc::lives(ended)).then_some(()));
        thread::scope(|scope| {
            let start = || launch(&family, &pid_file).args(["notify", "exit=0"]).run().assert_code(0).stderr.clone();
            let ask = || format!("{:?}", daemon.pid());
            let other = scope.spawn(move || if asks { ask() } else { start() });
            // Who takes the launcher for somebody else needs some milliseconds for that.
            within(Duration::from_millis(100), || other.is_finished().then_some(()));
            first.signal(Signal::SIGCONT);
            assert_eq!(other.join().expect("no panic"), if asks { "Ok(None)" } else { "" }, "asks: {asks}");
        });
        first.end().assert_code(137);
        family.assert_gone();
    }
}

/// The old daemon ends, and removes its file, when the new one has opened that and not yet locked it. The lock of a file
/// without a name would be nobody's.
#[cfg(linux_alone)]
#[test]
#[cfg(target_arch = "x86_64")]
fn removed_before_it_is_locked() {
    use tests::tracer::{Role, trace};

    let family = Family::new();
    let pid_file = family.path("pid");
    let old = start(&family, &pid_file);
    let mut removed = false;
    let record = trace(
        launch(&family, &pid_file).args(["notify", "mark"]),
        |call| {
            if !removed && call.role == Role::Launcher && call.name() == "flock" {
                send(Signal::SIGTERM, old.pid);
                until_dead(old.pid);
                removed = true;
            }
            None
        },
        |record| assert_eq!(daemon_of(&pid_file).pid, record.pids[&Role::Daemon]),
    );
    assert!(removed, "the file was never removed: {record:#?}");
    assert!(record.body, "it does not start: {record:#?}");
}

#[test]
fn stale_file_blocks_no_start() {
    let mut child = Command::new("true").spawn().expect("a child");
    child.wait().expect("its end");
    let zeros = vec![0; 1 << 20];
    let [own, dead] = [std::process::id(), child.id()].map(|pid| format!("{pid}\n").into_bytes());
    let contents: [&[u8]; 10] =
        [b"", b"garbage", b"1\n", &own, &dead, &zeros, b"0\n", b"-1\n", b"99999999999999999999\n", b"\xff4711"];
    for content in contents {
        let family = Family::new();
        let pid_file = family.path("pid");
        fs::write(&pid_file, content).expect("a stale file");
        fs::set_permissions(&pid_file, Permissions::from_mode(0o600)).expect("its mode");
        let daemon = start(&family, &pid_file);
        assert_eq!(fs::metadata(&pid_file).expect("the pid file").mode() & 0o7777, 0o644);
        send(Signal::SIGTERM, daemon.pid);
        family.assert_nothing_left(&pid_file);
    }
}

// Where it can be, and what it is like.

#[test]
fn mode_0644_whatever_the_umask() {
    for mask in [0, 0o022, 0o077, 0o777] {
        let family = Family::new();
        let pid_file = family.path("pid");
        let umask = Box::new(move || {
            nix::sys::stat::umask(Mode::from_bits_truncate(mask));
            Ok(())
        });
        let end = launch(&family, &pid_file).env("DAEMON_UMASK", format!("0o{mask:o}")).under(umask).run();
        end.assert_code(0);
        daemon_of(&pid_file);
        assert_eq!(fs::metadata(&pid_file).expect("the pid file").mode() & 0o7777, 0o644, "umask {mask:o}");
    }
}

#[test]
fn relative_to_where_it_was_started() {
    let family = Family::new();
    fs::create_dir_all(family.path("a/b")).expect("a directory");
    for (relative, absolute) in [("pid", "a/b/pid"), ("../pid", "a/pid"), ("./../../pid", "pid")] {
        let end = launch(&family, Path::new(relative)).args(["notify", "pause"]).cwd(family.path("a/b")).run();
        end.assert_code(0);
        let pid_file = family.path(absolute);
        let daemon = daemon_of(&pid_file);
        #[cfg(linux_alone)]
        assert_eq!(daemon.cwd, Path::new("/"));
        send(Signal::SIGTERM, daemon.pid);
        family.assert_nothing_left(&pid_file);
    }
}

/// Only the file itself must not be a link: /var/run is one on most machines.
#[test]
fn a_link_on_the_way_to_it() {
    let family = Family::new();
    fs::create_dir(family.path("run")).expect("a directory");
    symlink("run", family.path("link")).expect("a link");
    let daemon = start(&family, &family.path("link/pid"));
    assert_eq!(daemon_of(&family.path("run/pid")).pid, daemon.pid);
    send(Signal::SIGTERM, daemon.pid);
    family.assert_nothing_left(&family.path("run/pid"));
}

/// What cannot be a pid file is an error at once, and stays as it is.
#[test]
fn not_a_regular_file() {
    let family = Family::new();
    let directory = family.path("run");
    fs::create_dir(&directory).expect("a directory");
    let at = |name: &str| directory.join(name);
    fs::write(at("file"), "precious").expect("a file");
    symlink("file", at("link")).expect("a link");
    symlink("nowhere", at("dangling")).expect("a link");
    symlink("loop", at("loop")).expect("a link");
    fs::create_dir(at("directory")).expect("a directory");
    mkfifo(&at("fifo"), Mode::from_bits_truncate(0o600)).expect("a fifo");
    let _socket = UnixListener::bind(at("socket")).expect("a socket");
    let before = listing(&directory);
    for (name, why) in [
        ("link", "symbolic link"),
        ("dangling", "symbolic link"),
        ("loop", "symbolic link"),
        ("directory", "directory"),
        ("fifo", "not a regular file"),
        ("socket", "not a regular file"),
        ("missing/pid", "its directory does not exist; create it"),
        ("file/pid", "Not a directory"),
        ("directory/..", "directory"),
        (&"long".repeat(100), &strerror(Errno::ENAMETOOLONG)),
    ] {
        assert_refused(&launch(&family, &at(name)).run(), &at(name), why);
        assert_eq!(listing(&directory), before, "{name}");
        assert_eq!(family.members(), [0; 0], "{name}");
    }
    assert_eq!(fs::read_to_string(at("file")).expect("the file"), "precious");
}

/// A terminal of our own: any other device would suffer if this failed.
#[test]
fn not_a_device() {
    let terminal = Pty::open();
    let path = terminal.path();
    let mode = || fs::metadata(path).expect("the terminal").mode();
    let before = mode();
    let family = Family::new();
    assert_refused(&launch(&family, path).run(), path, "not a regular file");
    assert_eq!(mode(), before);
}

/// Nobody, and without root's rights.
#[cfg(linux_alone)]
fn as_nobody<'a>(family: &'a Family, pid_file: &Path) -> Launch<'a> {
    fs::set_permissions(family.directory(), Permissions::from_mode(0o755)).expect("a directory for everyone");
    launch_as(family, &AS_NOBODY, READY).env("DAEMON_PID_FILE", pid_file)
}

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn a_directory_of_somebody_else() {
    let family = Family::new();
    let directory = family.path("run");
    fs::create_dir(&directory).expect("a directory");
    fs::write(directory.join("stale"), "4711\n").expect("a stale file");
    let before = listing(&directory);
    for name in ["pid", "stale"] {
        let pid_file = directory.join(name);
        assert_refused(&as_nobody(&family, &pid_file).run(), &pid_file, "Permission denied");
        assert_eq!(listing(&directory), before);
    }
}

/// Runs the fixture in a file system of its own, and lists afterwards what is in it.
#[cfg(linux_alone)]
fn on_tmpfs(family: &Family, options: &str, prepare: &str) -> (PathBuf, End) {
    let directory = family.path("mount");
    fs::create_dir(&directory).expect("a directory");
    let script =
        format!("mount -t tmpfs -o {options} none \"$0\"; {prepare}; \"$1\" >&2; code=$?; ls -A \"$0\"; exit $code");
    let pid_file = directory.join("pid");
    let unshare = family.launch("unshare").args(["--mount", "sh", "-c", &script]).arg(&directory).arg(READY);
    (pid_file.clone(), unshare.env("DAEMON_PID_FILE", pid_file).run())
}

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn a_read_only_file_system() {
    let family = Family::new();
    let (pid_file, end) = on_tmpfs(&family, "size=1m", "touch \"$0/other\"; mount -o remount,ro \"$0\"");
    assert_refused(&end, &pid_file, "Read-only file system");
    assert_eq!(end.stdout, "other\n");
    family.assert_gone();
}

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn a_full_disk() {
    for (options, prepare) in [
        // No room for the content.
        ("size=4k", "cat /dev/zero 2> /dev/null > \"$0/other\""),
        // No room for the file.
        ("nr_inodes=2", "touch \"$0/other\""),
    ] {
        let family = Family::new();
        let (_, end) = on_tmpfs(&family, options, prepare);
        end.assert_code(73).assert_one_line().assert_says(&["pid file", "mount/pid", "No space left on device"]);
        assert_eq!(end.stdout, "other\n");
        family.assert_gone();
    }
}

// The end.

/// Words of the fixture, or a signal.
enum By {
    Words(&'static [&'static str]),
    Signal(Signal),
}

/// How a daemon may end, and the exit code that a shell would show.
const ENDS: [(By, i32); 10] = [
    (By::Words(&["ok"]), 0),
    (By::Words(&["error=no luck"]), 1),
    (By::Words(&["panic=no luck"]), 101),
    (By::Words(&["exit=0"]), 0),
    (By::Words(&["exit=3"]), 3),
    // So ends a panic in a program that is built with `panic = "abort"`.
    (By::Words(&["abort"]), 128 + Signal::SIGABRT as i32),
    (By::Signal(Signal::SIGTERM), 128 + Signal::SIGTERM as i32),
    (By::Signal(Signal::SIGINT), 128 + Signal::SIGINT as i32),
    (By::Signal(Signal::SIGHUP), 128 + Signal::SIGHUP as i32),
    (By::Signal(Signal::SIGQUIT), 128 + Signal::SIGQUIT as i32),
];

#[test]
fn removed_at_the_end() {
    for (end, _) in ENDS {
        for (program, notify) in [(READY, &["notify"][..]), (WITHOUT_READY, &[])] {
            let family = Family::new();
            let pid_file = family.path("pid");
            let launch = family.launch(program).env("DAEMON_PID_FILE", &pid_file).args(notify);
            let launch = launch.args(["touch=body", "wait=go"]);
            let words = if let By::Words(words) = end { words } else { &["pause"] };
            launch.args(words).run().assert_code(0);
            let daemon = family.daemon();
            assert_eq!(daemon_of(&pid_file).pid, daemon.pid);
            match end {
                By::Words(_) => fs::write(family.path("go"), "").expect("a mark"),
                By::Signal(signal) => send(signal, daemon.pid),
            }
            family.assert_nothing_left(&pid_file);
        }
    }
}

/// In the foreground the end itself is seen: the handler takes nothing away from it.
#[test]
fn removed_at_the_end_in_the_foreground() {
    for (end, code) in ENDS {
        let family = Family::new();
        let pid_file = family.path("pid");
        let launch = family.launch(READY).env("DAEMON_PID_FILE", &pid_file);
        let launch = launch.env("DAEMON_FOREGROUND", "").args(["notify", "touch=body", "wait=go"]);
        let words = if let By::Words(words) = end { words } else { &["pause"] };
        let running = launch.args(words).start();
        assert_eq!(family.daemon().pid, running.pid());
        assert_eq!(daemon_of(&pid_file).pid, running.pid());
        match end {
            By::Words(_) => fs::write(family.path("go"), "").expect("a mark"),
            By::Signal(signal) => running.signal(signal),
        }
        let status = running.end().status;
        assert_eq!(status.code().or(status.signal().map(|signal| 128 + signal)), Some(code));
        family.assert_nothing_left(&pid_file);
    }
}

/// Which thread gets the signal is a matter of chance, and how the process ends is not.
#[test]
fn signal_ends_a_program_with_threads() {
    let family = Family::new();
    let pid_file = family.path("pid");
    for _ in 0..20 {
        let launch = launch(&family, &pid_file).env("DAEMON_FOREGROUND", "");
        let running = launch.args(["notify", "spin", "spin", "print=up", "pause"]).start();
        until("it is up", || (running.stdout() == "up\n").then_some(()));
        running.signal(Signal::SIGQUIT);
        running.end().assert_signal(Signal::SIGQUIT);
        family.assert_nothing_left(&pid_file);
    }
}

/// Any thread may be the one that gets the signal, or that exits.
#[test]
fn removed_at_the_end_of_a_program_with_threads() {
    for signal in [Some(Signal::SIGTERM), Some(Signal::SIGHUP), None] {
        let family = Family::new();
        let pid_file = family.path("pid");
        let words = ["notify", "thread", "thread", "touch=body", "wait=go", "exit=3"];
        launch(&family, &pid_file).args(words).run().assert_code(0);
        let daemon = family.daemon();
        #[cfg(linux_alone)]
        assert_eq!(daemon.threads, 3);
        match signal {
            Some(signal) => send(signal, daemon.pid),
            None => fs::write(family.path("go"), "").expect("a mark"),
        }
        family.assert_nothing_left(&pid_file);
    }
}

#[test]
fn removed_after_a_failed_start() {
    for words in
        [&["ok"][..], &["error=no luck"], &["panic=no luck"], &["exit=3"], &["signal=9"], &["signal=15"], &["abort"]]
    {
        let family = Family::new();
        let pid_file = family.path("pid");
        let end = launch(&family, &pid_file).args(words).run();
        assert!(!end.status.success(), "{end:#?}");
        family.assert_nothing_left(&pid_file);
    }
}

/// Nobody can do anything then. The next start can.
#[test]
fn left_behind_by_sigkill() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let first = start(&family, &pid_file);
    send(Signal::SIGKILL, first.pid);
    until_dead(first.pid);
    assert_eq!(pid_in(&pid_file), first.pid);
    assert!(!Family::is_locked(&pid_file), "somebody holds the pid file");
    let second = start(&family, &pid_file);
    assert_ne!(first.pid, second.pid);
}

#[test]
fn not_removed_by_a_child() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let words = ["notify", "fork_exit", "fork", "touch=body", "pause"];
    launch(&family, &pid_file).args(words).run().assert_code(0);
    let daemon = family.daemon();
    let is_child = |pid: &i32| Proc::of(*pid).is_some_and(|child| child.ppid == daemon.pid);
    let child = family.members().into_iter().find(is_child).expect("the child that stays");
    send(Signal::SIGTERM, child);
    until_dead(child);
    assert_eq!(daemon_of(&pid_file).pid, daemon.pid);
    send(Signal::SIGTERM, daemon.pid);
    family.assert_nothing_left(&pid_file);
}

/// A child that a signal ends before it has run at all: not even what fork(2) calls in a child is done.
#[cfg(linux_alone)]
#[test]
#[cfg(target_arch = "x86_64")]
fn not_removed_by_a_child_that_has_not_run_yet() {
    use tests::tracer::{Fault, Role, trace};

    let family = Family::new();
    let pid_file = family.path("pid");
    let record = trace(
        launch(&family, &pid_file).args(["notify", "fork", "mark", "pause"]),
        |call| (call.role == Role::Other).then_some(Fault::Terminate),
        |record| assert_eq!(daemon_of(&pid_file).pid, record.pids[&Role::Daemon]),
    );
    assert!(record.hit.is_some() && record.body, "{record:#?}");
}

/// The same inode may come back for a new file, so the first one stays open here.
#[test]
fn not_removed_when_replaced() {
    for end in [Signal::SIGTERM, Signal::SIGKILL] {
        let family = Family::new();
        let pid_file = family.path("pid");
        let first = start(&family, &pid_file);
        fs::remove_file(&pid_file).expect("the file can be removed");
        let second = start(&family, &pid_file);
        let before = fs::metadata(&pid_file).expect("the second file");
        send(end, first.pid);
        until_dead(first.pid);
        assert_eq!(daemon_of(&pid_file).pid, second.pid);
        let after = fs::metadata(&pid_file).expect("the second file");
        assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
    }
    let family = Family::new();
    let pid_file = family.path("pid");
    let daemon = start(&family, &pid_file);
    fs::write(family.path("other"), "precious").expect("a file");
    fs::rename(family.path("other"), &pid_file).expect("the file can be replaced");
    send(Signal::SIGTERM, daemon.pid);
    until_dead(daemon.pid);
    assert_eq!(fs::read_to_string(&pid_file).expect("the file"), "precious");
}

/// A program that the daemon has started outlives it and does not have its lock.
#[cfg(linux_alone)]
#[test]
fn lock_not_inherited() {
    let family = Family::new();
    let pid_file = family.path("pid");
    launch(&family, &pid_file).args(["notify", "spawn", "touch=body", "pause"]).run().assert_code(0);
    let daemon = family.daemon();
    let sleeps = |pid: &i32| Proc::of(*pid).is_some_and(|child| child.name == "sleep");
    let child = until("the program", || family.members().into_iter().find(sleeps));
    assert!(
        !Proc::of(child).expect("it stays").fds.values().any(|open| *open == pid_file),
        "a child has the pid file open"
    );
    send(Signal::SIGKILL, daemon.pid);
    until_dead(daemon.pid);
    assert!(Proc::lives(child), "the child does not stay");
    start(&family, &pid_file);
}

/// A child of a daemon that was killed lives on, and has all that the daemon had, but not its place.
#[test]
fn lock_not_inherited_by_a_fork() {
    let family = Family::new();
    let pid_file = family.path("pid");
    launch(&family, &pid_file).args(["notify", "fork", "touch=body", "pause"]).run().assert_code(0);
    let daemon = family.daemon();
    send(Signal::SIGKILL, daemon.pid);
    until_dead(daemon.pid);
    assert_eq!(family.members().len(), 1, "the child");
    start(&family, &pid_file);
}

/// What a child has opened at the number that the lock had is its own, and its children have it too.
#[test]
fn nothing_but_the_lock_is_closed_in_a_fork() {
    let family = Family::new();
    let pid_file = family.path("pid");
    launch(&family, &pid_file).args(["fork_fork", "notify", "pause"]).run().assert_code(0).assert_stderr("");
    daemon_of(&pid_file);
}

/// The daemon's own body closes all descriptors, as old textbooks say, and has another file at the number by then: that file is
/// the children's, too.
#[cfg(linux_alone)]
#[test]
fn another_file_at_the_number_is_not_closed_in_a_fork() {
    let family = Family::new();
    let [pid_file, other] = ["pid", "other"].map(|name| family.path(name));
    let words = ["notify", "touch=noted", "wait=go", "close_all"].into_iter().chain([KEEP_OPEN; MANY]);
    let words = words.chain(["fork", "touch=body", "pause"]);
    launch(&family, &pid_file).args(words).run().assert_code(0).assert_stderr("");
    let before = family.at("noted").fds;
    let number = *before.iter().find(|(_, file)| **file == pid_file).expect("the pid file is open").0;
    fs::write(family.path("go"), "").expect("a mark");
    let daemon = family.daemon();
    assert_eq!(daemon.fds.get(&number), Some(&other), "not enough files: {number}");
    // It sleeps when all is done that fork(2) calls in a child.
    let child = until("the child", || {
        let relatives = family.members().into_iter().filter_map(Proc::of);
        relatives.into_iter().find(|child| child.ppid == daemon.pid && child.state == 'S')
    });
    assert_eq!(child.fds, daemon.fds, "the child has lost a file: {number}");
}

/// So many files that one of them has the number which the pid file had.
const MANY: usize = 9;
const KEEP_OPEN: &str = "keep_open=other";

// A program that handles the signals itself.

/// Its handlers are in place before ours or after, and its work is finished however long that takes.
#[test]
fn graceful_shutdown() {
    for (program, hook) in tests::graceful_programs!() {
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
            let family = Family::new();
            let pid_file = family.path("pid");
            let launch = family.launch(program).env("DAEMON_HOOK", hook).env("DAEMON_PID_FILE", &pid_file);
            launch.run().assert_code(0).assert_stderr("");
            let daemon = family.daemon();
            send(signal, daemon.pid);
            family.at("stopping");
            // Impatient: again, and it does not matter.
            send(signal, daemon.pid);
            assert_eq!(daemon_of(&pid_file).pid, daemon.pid, "{program} {hook} {signal}");
            fs::write(family.path("go"), "").expect("a mark");
            family.assert_nothing_left(&pid_file);
            assert!(family.path("finished").is_symlink(), "{program} {hook} {signal}");
        }
    }
}

// Another user.

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn belongs_to_the_user() {
    for (directory_is_theirs, left) in [(true, None), (false, Some(""))] {
        let family = Family::new();
        let pid_file = family.path("pid");
        fs::set_permissions(family.directory(), Permissions::from_mode(0o755)).expect("a directory for everyone");
        if directory_is_theirs {
            std::os::unix::fs::chown(family.directory(), Some(65534), None).expect("chown");
        }
        // The second start finds what the first one has left.
        for _ in 0..2 {
            let launch = launch(&family, &pid_file).env("DAEMON_USER", "nobody");
            launch.args(["notify", "pause"]).run().assert_code(0).assert_stderr("");
            let daemon = daemon_of(&pid_file);
            let file = fs::metadata(&pid_file).expect("the pid file");
            assert_eq!((daemon.uids, file.uid(), file.gid()), ([65534; 4], 65534, 0));
            assert_eq!(file.mode() & 0o7777, 0o644);
            send(Signal::SIGTERM, daemon.pid);
            family.assert_gone();
            // Where only root may remove it, the user empties it.
            assert_eq!(fs::read_to_string(&pid_file).ok().as_deref(), left);
        }
    }
}

/// Inside a new root it has another name, and outside of it none that the daemon could remove.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn in_a_new_root() {
    for (path, left) in [("root/run/pid", None), ("pid", Some(""))] {
        let family = Family::new();
        let pid_file = family.path(path);
        fs::create_dir_all(family.path("root/run")).expect("a directory");
        // The second start finds what the first one has left.
        for _ in 0..2 {
            let launch = launch(&family, &pid_file).env("DAEMON_CHROOT", family.path("root"));
            launch.args(["notify", "pause"]).run().assert_code(0).assert_stderr("");
            let daemon = daemon_of(&pid_file);
            assert_eq!(daemon.root, family.path("root"));
            send(Signal::SIGTERM, daemon.pid);
            family.assert_gone();
            assert_eq!(fs::read_to_string(&pid_file).ok().as_deref(), left);
        }
    }
}

/// A path that is too long for one call: the file could not be removed by it.
#[test]
fn a_relative_path_that_has_no_absolute_one() {
    let family = Family::new();
    let deep = || {
        let name = "d".repeat(250);
        (0..20).try_for_each(|_| {
            fs::create_dir(&name)?;
            std::env::set_current_dir(&name)
        })
    };
    let launch =
        family.launch(WITHOUT_READY).cwd(family.directory()).under(Box::new(deep)).env("DAEMON_PID_FILE", "pid-file");
    let why = format!("lock pid file pid-file: {}", strerror(Errno::ENAMETOOLONG));
    launch.run().assert_code(73).assert_one_line().assert_says(&[&why]);
    family.assert_gone();
    let found = family.launch("find").arg(family.directory()).args(["-name", "pid-file"]).run();
    assert_eq!(found.assert_code(0).stdout, "", "the pid file is left");
}
