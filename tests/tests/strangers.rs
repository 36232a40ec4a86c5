//! Processes that hold the lock of a pid file and are not its daemon: a start and `Instance` say what can be known, each within
//! its time, and nobody else is signalled.
#![cfg(linux_alone)] // /proc tells who holds a lock.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant as Clock};

use daemon_runtime::{Instance, State};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pipe};
use tests::accounts::AS_NOBODY;
use tests::{DEADLINE, Family, Launch, Proc, Running, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// As long as a start, or `Instance`, waits for another one to write its pid.
const PATIENCE: Duration = Duration::from_secs(5);
/// As long as they wait for the launcher of a daemon that has ended, which has still to clear away.
const LAUNCHER_PATIENCE: Duration = Duration::from_secs(1);

fn launch<'a>(family: &'a Family, pid_file: &Path) -> Launch<'a> {
    family.launch(READY).env("DAEMON_PID_FILE", pid_file)
}

/// A directory that everybody may look into, with a pid file.
fn family(content: &str) -> Family {
    let family = Family::new();
    fs::set_permissions(family.directory(), Permissions::from_mode(0o755)).expect("its mode");
    fs::write(family.path("pid"), content).expect("a file");
    family
}

/// flock(1), which opens a file to read, by way of `who`; it has the lock when this returns. It becomes sleep(1).
fn lock<'a>(family: &'a Family, who: &[&str], how: &str, pid_file: &Path) -> Running<'a> {
    let launch = family.through(who, "flock").args(["--no-fork", how]).arg(pid_file).args(["sleep", "1000"]);
    let stranger = launch.start();
    until("the lock", || Family::is_locked(pid_file).then_some(()));
    stranger
}

/// Fails unless a start says this at the end of its time.
#[track_caller]
fn assert_refused(family: &Family, pid_file: &Path, time: Duration, says: &str) {
    let end = launch(family, pid_file).run();
    end.assert_code(69).assert_stderr(&format!("ready: cannot lock pid file {}: {says}\n", pid_file.display()));
    assert_time(end.took, time);
}

/// The same of `Instance`.
#[track_caller]
fn assert_no_daemon(pid_file: &Path, time: Duration, says: &str) {
    let started = Clock::now();
    let error = Instance::at(pid_file).stop(DEADLINE).expect_err("there is no daemon");
    let took = started.elapsed();
    assert_eq!(error.exit_code(), 69, "{error}");
    assert_eq!(error.to_string(), format!("cannot find a daemon by pid file {}: {says}", pid_file.display()));
    assert_time(took, time);
}

#[track_caller]
fn assert_time(took: Duration, time: Duration) {
    assert!(took >= time && took < time + Duration::from_secs(3), "it took {took:?} and not {time:?}");
}

const OTHER_START: &str = "another start is under way, or another process holds it; \
                           find out by lslocks(8) which process has it";

/// Whoever may read an empty file can lock it, and cannot be told from a start that is under way.
fn holder_of_an_empty_file(who: &[&str]) {
    let family = family("");
    let pid_file = family.path("pid");
    let stranger = lock(&family, who, "-x", &pid_file);
    assert_eq!(Instance::at(&pid_file).state().expect("it can be seen"), State::Starting);
    thread::scope(|scope| {
        scope.spawn(|| {
            let says = "a process holds it that has not written its pid; find out by lslocks(8) which process has it";
            assert_no_daemon(&pid_file, PATIENCE, says);
        });
        assert_refused(&family, &pid_file, PATIENCE, OTHER_START);
    });
    stranger.signal(Signal::SIGKILL);
    until("its end", || (!Family::is_locked(&pid_file)).then_some(()));
    launch(&family, &pid_file).run().assert_code(0);
}

#[test]
fn process_that_holds_an_empty_file() {
    holder_of_an_empty_file(&[]);
}

#[test]
#[ignore = "needs root"]
fn reader_that_holds_an_empty_file() {
    holder_of_an_empty_file(&[&["setpriv"], &AS_NOBODY[..]].concat());
}

/// Whoever has made a file that is there before root's start may have it open still, and write into it whatever he likes, at any
/// time later; and root would signal the process of that number. So the daemon's is a new file, unless it is its own user's.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn writer_who_has_made_the_file() {
    for (user, is_replaced) in [(None, true), (Some("daemon"), true), (Some("nobody"), false)] {
        let family = Family::new();
        fs::set_permissions(family.directory(), Permissions::from_mode(0o1777)).expect("its mode");
        let pid_file = family.path("pid");
        let (stdin, orders) = pipe().expect("a pipe");
        let script = family.through(&[&["setpriv"], &AS_NOBODY[..]].concat(), "sh").args(["-c", "exec cat >>\"$0\""]);
        let stranger = script.arg(&pid_file).stdin(stdin).start();
        until("his file", || pid_file.exists().then_some(()));
        let before = fs::metadata(&pid_file).expect("his file");
        assert_eq!(before.uid(), 65534);
        let start = user.into_iter().fold(launch(&family, &pid_file), |launch, user| launch.env("DAEMON_USER", user));
        start.run().assert_code(0).assert_stderr("");
        let daemon = family.daemon();
        // His file stays open, so that no other one can get its number.
        let is_same = fs::metadata(&pid_file).expect("a pid file").ino() == before.ino();
        assert_eq!(is_same, !is_replaced, "{user:?}");
        if is_replaced {
            File::from(orders).write_all(format!("{}\n", stranger.pid()).as_bytes()).expect("he takes orders");
            stranger.end().assert_code(0).assert_stderr("");
            let content = fs::read_to_string(&pid_file).expect("a pid file");
            assert_eq!(content, format!("{}\n", daemon.pid), "{user:?}: he has written into it");
        }
        Instance::at(&pid_file).stop(DEADLINE).expect("the daemon can be stopped");
        assert!(!Proc::lives(daemon.pid), "another process was stopped");
    }
}

/// A shared lock does not hide that there is no daemon, and a start waits for its end.
#[test]
fn holder_of_a_shared_lock() {
    for content in ["", "4711\n"] {
        let family = family(content);
        let pid_file = family.path("pid");
        let stranger = lock(&family, &[], "-s", &pid_file);
        let daemon = Instance::at(&pid_file);
        assert_eq!(daemon.state().expect("it can be seen"), State::Stopped);
        assert_no_daemon(&pid_file, Duration::ZERO, "no process holds it; start it, or correct the path");
        let says = "other processes hold shared locks of it; find out by lslocks(8) which process has it";
        assert_refused(&family, &pid_file, PATIENCE, says);
        thread::scope(|scope| {
            let late = scope.spawn(|| launch(&family, &pid_file).run());
            until("the start waits", || family.members().len().eq(&2).then_some(()));
            stranger.signal(Signal::SIGKILL);
            late.join().expect("no panic").assert_code(0).assert_stderr("");
        });
    }
}

/// The number in the file is of a process that has ended: only a launcher, for a moment, may hold it then.
#[test]
fn holder_of_a_dead_daemons_file() {
    let mut child = std::process::Command::new("true").spawn().expect("a child");
    child.wait().expect("its end");
    for line_end in ["", "\n"] {
        let family = family(&format!("{}{line_end}", child.id()));
        let pid_file = family.path("pid");
        let before = fs::read_to_string(&pid_file).expect("a pid file");
        let _stranger = lock(&family, &[], "-x", &pid_file);
        let left = format!("that {} has left", child.id());
        let lslocks = "find out by lslocks(8) which process has it";
        assert_refused(&family, &pid_file, LAUNCHER_PATIENCE, &format!("held by a process {left}; {lslocks}"));
        assert_no_daemon(&pid_file, LAUNCHER_PATIENCE, &format!("a process holds it {left}; {lslocks}"));
        assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), before);
    }
}

/// Whoever holds the lock of a file in which a living process's number stands is believed by a start, which signals nobody.
#[test]
fn holder_of_a_file_with_a_living_process() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let other = family.launch(env!("CARGO_BIN_EXE_pausing")).start();
    fs::write(&pid_file, format!("{}\n", other.pid())).expect("a pid file");
    let lock = Flock::lock(File::open(&pid_file).expect("the file"), FlockArg::LockExclusiveNonblock);
    let lock = lock.map_err(|(_, errno)| errno).expect("nobody else has the lock");
    let says = format!("held by process {}; stop it first, or choose another pid file", other.pid());
    assert_refused(&family, &pid_file, Duration::ZERO, &says);
    assert!(Proc::lives(other.pid()), "it was signalled");
    drop(lock);
    launch(&family, &pid_file).run().assert_code(0);
    assert!(Proc::lives(other.pid()), "it was signalled");
}

/// He waits while the daemon runs, and has the lock as soon as that ends, which has emptied the file.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn reader_that_waits_for_the_lock() {
    let family = family("");
    let pid_file = family.path("pid");
    launch(&family, &pid_file).env("DAEMON_USER", "daemon").args(["notify", "pause"]).run().assert_code(0);
    let daemon = family.named("ready");
    let flock = family.through(&[&["setpriv"], &AS_NOBODY[..]].concat(), "flock").arg("-x").arg(&pid_file);
    let stranger = flock.args(["sleep", "1000"]).start();
    until("it waits", || Proc::status(stranger.pid()).filter(|status| status["State"].starts_with('S')));
    Instance::at(&pid_file).stop(DEADLINE).expect("the daemon can be stopped");
    until("it has the lock", || Proc::of(family.named("sleep").pid));
    assert_refused(&family, &pid_file, PATIENCE, OTHER_START);
    assert!(!Proc::lives(daemon.pid), "it is not stopped");
    stranger.signal(Signal::SIGKILL);
}

/// A child that clone(2) has made outlives its daemon, and has the lock: no handler of pthread_atfork(3) has closed it.
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it is to be seen who holds a lock")]
fn child_of_a_daemon_that_was_killed() {
    for foreground in [false, true] {
        let family = Family::new();
        let pid_file = family.path("pid");
        let words = ["notify", "clone", "touch=body", "pause"];
        let first = family.launch(READY).env("DAEMON_PID_FILE", &pid_file).args(words);
        let first = if foreground { first.env("DAEMON_FOREGROUND", "") } else { first };
        // In the foreground it stays a zombie until the end.
        let running = first.start();
        let daemon = family.daemon().pid;
        let child = until("the child", || {
            family.members().into_iter().find(|pid| Proc::of(*pid).is_some_and(|it| it.sid == *pid))
        });
        kill(Pid::from_raw(daemon), Signal::SIGKILL).expect("it lives");
        until("its end", || (!Proc::lives(daemon)).then_some(()));
        let (left, lslocks) = (format!("that {daemon} has left"), "find out by lslocks(8) which process has it");
        assert_no_daemon(&pid_file, LAUNCHER_PATIENCE, &format!("a process holds it {left}; {lslocks}"));
        assert_refused(&family, &pid_file, LAUNCHER_PATIENCE, &format!("held by a process {left}; {lslocks}"));
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("it lives");
        family.assert_gone();
        fs::remove_file(family.path("body")).expect("a mark");
        launch(&family, &pid_file).run().assert_code(0);
        drop(running);
    }
}

/// The number of a daemon in a container is a thread's out here, which `Instance` does not take for the daemon, nor signals.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: threads have numbers as processes have")]
fn number_of_a_thread() {
    for (user, code, says) in [
        (None, 69, "a process holds it that NUMBER has left; find out by lslocks(8) which process has it"),
        (
            Some("nobody"),
            77,
            "it belongs to user 65534, and process NUMBER does not; ask in the pid namespace, or container,",
        ),
    ] {
        let family = family("");
        let pid_file = family.path("pid");
        let (send, number) = std::sync::mpsc::channel();
        let (_kept, ended) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            send.send(nix::unistd::gettid().as_raw()).expect("the test waits");
            let _ = ended.recv();
        });
        let number = number.recv().expect("a thread");
        // proc_sys_kernel(5): the next process there gets this number.
        let script = "echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; \"$2\" notify pause; exit";
        let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh"];
        let daemon = family.launch("unshare").args(namespace).arg(number.to_string()).arg(READY);
        let daemon = user.into_iter().fold(daemon, |daemon, user| daemon.env("DAEMON_USER", user));
        let running = daemon.env("DAEMON_PID_FILE", &pid_file).env("DAEMON_FOREGROUND", "").start();
        until("the pid file", || (fs::read_to_string(&pid_file).ok()? == format!("{number}\n")).then_some(()));
        let error = Instance::at(&pid_file).stop_or_kill(DEADLINE).expect_err("it is not there");
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(error.to_string().contains(&says.replace("NUMBER", &number.to_string())), "{error}");
        let held = format!("held by process {number}; stop it first, or choose another pid file");
        assert_refused(&family, &pid_file, Duration::ZERO, &held);
        drop(running);
    }
}

/// Names that are no text: of the daemon's process, which the kernel cuts within a character, and of a mount.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn names_that_are_no_text() {
    let family = family("");
    fs::set_permissions(family.directory(), Permissions::from_mode(0o1777)).expect("its mode");
    let (pid_file, program) = (family.path("pid"), family.path("цццццццццц"));
    let script =
        "cp \"$0\" \"$1\" && mkdir \"$2\" && mount -t tmpfs none \"$2\" && exec \"$1\" notify touch=body pause";
    let odd = std::ffi::OsStr::from_bytes(b"odd\xff");
    let launch = family.launch("unshare").args(["--mount", "sh", "-c", script, READY]).arg(&program);
    let launch = launch.arg(family.path(odd)).env("DAEMON_USER", "nobody").env("DAEMON_PID_FILE", &pid_file);
    launch.env("DAEMON_KEEP_ENV", "DAEMON_TEST_FAMILY").env("SECRET", "swordfish").run().assert_code(0);
    let daemon = family.daemon();
    let environ = Proc::environ(daemon.pid).concat();
    assert!(!String::from_utf8_lossy(&environ).contains("swordfish"), "the environment is not overwritten");
    Instance::at(&pid_file).stop(DEADLINE).expect("root may stop it");
    family.assert_gone();
}
