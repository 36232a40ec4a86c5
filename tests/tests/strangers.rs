//! Processes that hold the lock of a pid file and are not its daemon: a start and `Instance` say at once who it is.

use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant as Clock};

use daemon_runtime::Instance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::accounts::AS_NOBODY;
use tests::{DEADLINE, End, Family, Launch, Proc, Running, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
/// At once: long before a start would have waited long enough for another one.
const SOON: Duration = Duration::from_secs(3);

fn launch<'a>(family: &'a Family, pid_file: &Path) -> Launch<'a> {
    family.launch(READY).env("DAEMON_PID_FILE", pid_file)
}

/// A directory that everybody may look into, with an empty pid file.
fn family() -> Family {
    let family = Family::new();
    fs::set_permissions(family.directory(), Permissions::from_mode(0o755)).expect("its mode");
    fs::write(family.path("pid"), "").expect("a file");
    family
}

/// flock(1), which opens a file to read, by way of `who`; it has the lock when this returns.
fn lock<'a>(family: &'a Family, who: &[&str], how: &str, pid_file: &Path) -> Running<'a> {
    let launch = family.through(who, "flock").arg(how).arg(pid_file).args(["sleep", "1000"]);
    let stranger = launch.start();
    until("the lock", || Family::is_locked(pid_file).then_some(()));
    stranger
}

#[track_caller]
fn assert_refused(end: &End, says: &str) {
    end.assert_code(69).assert_one_line().assert_says(&[says]);
    assert!(end.took < SOON, "it took {:?}", end.took);
}

#[track_caller]
fn assert_no_daemon(pid_file: &Path, says: &str) {
    let started = Clock::now();
    let error = Instance::at(pid_file).stop(DEADLINE).expect_err("there is no daemon");
    assert_eq!(error.exit_code(), 69, "{error}");
    assert!(error.to_string().contains(says), "{says:?} is not said: {error}");
    assert!(started.elapsed() < SOON, "it took {:?}", started.elapsed());
}

/// Whoever may read the file can lock it; so can root, by a tool.
#[test]
#[ignore = "needs root"]
fn reader_of_the_pid_file() {
    let as_nobody = [&["setpriv"], &AS_NOBODY[..]].concat();
    for who in [&as_nobody[..], &[]] {
        for how in ["-x", "-s"] {
            let family = family();
            let pid_file = family.path("pid");
            let stranger = lock(&family, who, how, &pid_file);
            let says = format!(
                "held by process {} (flock), which is no daemon of this pid file; \
                 end it, and put the pid file into a directory that strangers cannot enter",
                stranger.pid()
            );
            assert_refused(&launch(&family, &pid_file).run(), &says);
            match how {
                "-x" => assert_no_daemon(&pid_file, &says),
                // A shared lock does not hide that there is none.
                _ => assert_no_daemon(&pid_file, "no process holds it"),
            }
            stranger.signal(Signal::SIGKILL);
        }
    }
}

/// He waits while the daemon runs, and has the lock as soon as that ends.
#[test]
#[ignore = "needs root"]
fn reader_that_waits_for_the_lock() {
    let family = family();
    let pid_file = family.path("pid");
    launch(&family, &pid_file).env("DAEMON_USER", "daemon").args(["notify", "pause"]).run().assert_code(0);
    let daemon = family.named("ready");
    let flock = family.through(&[&["setpriv"], &AS_NOBODY[..]].concat(), "flock").arg("-x").arg(&pid_file);
    let stranger = flock.args(["sleep", "1000"]).start();
    until("it waits", || Proc::status(stranger.pid()).filter(|status| status["State"].starts_with('S')));
    Instance::at(&pid_file).stop(DEADLINE).expect("the daemon can be stopped");
    until("it has the lock", || Proc::of(family.named("sleep").pid));
    assert_refused(
        &launch(&family, &pid_file).run(),
        &format!("held by process {} (flock), which is no daemon", stranger.pid()),
    );
    assert!(!Proc::lives(daemon.pid), "it is not stopped");
    stranger.signal(Signal::SIGKILL);
}

/// A child that clone(2) has made outlives its daemon, and has the lock: no handler of pthread_atfork(3) has closed it.
#[test]
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
        let says = format!(
            "the daemon, process {daemon}, has ended, but process {child} (ready), which it has started, holds the lock; \
             end that process"
        );
        assert_no_daemon(&pid_file, &says);
        assert_refused(&launch(&family, &pid_file).run(), &says);
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("it lives");
        family.assert_gone();
        fs::remove_file(family.path("body")).expect("a mark");
        launch(&family, &pid_file).run().assert_code(0);
        drop(running);
    }
}

/// The number of a daemon in a container is a thread's out here, which is neither taken for the daemon nor signalled.
#[test]
#[ignore = "needs root"]
fn number_of_a_thread() {
    for (user, code) in [(None, 69), (Some("nobody"), 77)] {
        let family = family();
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
        assert!(error.to_string().contains("ask in the pid namespace, or container, of the daemon"), "{error}");
        assert_refused(
            &launch(&family, &pid_file).run(),
            &format!("process {number} does not hold it; ask in the pid namespace, or container, of the daemon"),
        );
        drop(running);
    }
}

/// Names that are no text: of the daemon's process, which the kernel cuts within a character, and of a mount.
#[test]
#[ignore = "needs root"]
fn names_that_are_no_text() {
    let family = family();
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
