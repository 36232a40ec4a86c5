//! A daemon as another process sees and controls it, by its pid file.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use daemon_runtime::{Error, Instance, State};
#[cfg(linux_alone)]
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
#[cfg(linux_alone)]
use tests::accounts::{AS_ALICE, AS_NOBODY, launch_as};
use tests::{DEADLINE, Family, Launch, Proc, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const CONTROL: &str = env!("CARGO_BIN_EXE_control");

fn launch<'a>(family: &'a Family, pid_file: &Path) -> Launch<'a> {
    family.launch(READY).env("DAEMON_PID_FILE", pid_file)
}

/// Starts a daemon that stays, with these words before that. Its pid.
#[track_caller]
fn start(family: &Family, pid_file: &Path, words: &[&str]) -> i32 {
    launch(family, pid_file).args(words).args(["notify", "pause"]).run().assert_code(0);
    fs::read_to_string(pid_file).expect("the pid file").trim().parse().expect("a pid")
}

#[track_caller]
fn assert_pid(daemon: &Instance, pid: i32) {
    assert_eq!(daemon.pid().expect("it can be seen"), Some(pid as u32));
    assert!(!daemon.is_stale().expect("it can be seen"), "it runs, and is stale");
}

/// Fails unless it is this error, in words that name the file.
#[track_caller]
fn assert_error<T: std::fmt::Debug>(result: Result<T, Error>, code: u8, says: &str) {
    let error = result.expect_err("this cannot be done");
    assert_eq!(error.exit_code(), code, "{error}");
    assert!(error.to_string().contains(says), "{says:?} is not said: {error}");
}

/// Each way to control a daemon that does not run.
#[track_caller]
fn assert_absent(daemon: &Instance, why: &str) {
    assert_eq!(daemon.pid().expect("it can be seen"), None);
    assert_error(daemon.stop(DEADLINE), 69, why);
    assert_error(daemon.stop_or_kill(DEADLINE), 69, why);
    assert_error(daemon.reload(), 69, why);
    assert_error(daemon.signal(10), 69, why);
}

#[test]
fn runs_and_is_stopped() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let daemon = Instance::at(&pid_file);
    for timeout in [DEADLINE, Duration::MAX] {
        assert_absent(&daemon, "there is no such file");
        assert_state(&daemon, State::Stopped);
        assert!(!daemon.is_stale().expect("it can be seen"), "it runs, and is stale");
        let pid = start(&family, &pid_file, &[]);
        assert_pid(&daemon, pid);
        assert_state(&daemon, State::Ready);
        daemon.stop(timeout).expect("it can be stopped");
        // Now, and not soon: the next start finds the place free.
        assert!(!Proc::lives(pid), "it still runs");
        assert!(!pid_file.exists(), "the pid file is left");
    }
}

#[test]
fn seen_before_it_is_ready() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let running = launch(&family, &pid_file).args(["touch=early", "pause"]).start();
    let pid = family.at("early").pid;
    let daemon = Instance::at(&pid_file);
    assert_pid(&daemon, pid);
    assert_state(&daemon, State::Starting);
    assert_error(daemon.wait_until_ready(Duration::from_millis(20)), 75, "it is not ready after 0.02 s");
    daemon.stop(DEADLINE).expect("it can be stopped");
    running.end().assert_code(128 + 15);
    family.assert_nothing_left(&pid_file);
    assert_state(&daemon, State::Stopped);
}

/// Fails unless it is in this state.
#[track_caller]
fn assert_state(daemon: &Instance, state: State) {
    assert_eq!(daemon.state().expect("it can be seen"), state);
    assert_eq!(daemon.is_ready().expect("it can be seen"), state == State::Ready);
}

/// From a file of a dead daemon to the body: at each system call of the three processes the state is looked at. It only goes on, and
/// without a pid first; and in the end it is ready, just before the launcher exits.
#[cfg(linux_alone)]
#[test]
#[cfg(target_arch = "x86_64")]
fn state_at_each_moment_of_a_start() {
    use tests::tracer::{Role, trace};

    for left in [None, Some(format!("{}\n", std::process::id()))] {
        let family = Family::new();
        let pid_file = family.path("pid");
        let daemon = Instance::at(&pid_file);
        if let Some(left) = &left {
            fs::write(&pid_file, left).expect("a stale file");
        }
        let mut seen = Vec::new();
        let record = trace(
            launch(&family, &pid_file).args(["notify", "mark"]),
            |_| {
                let state = daemon.state().expect("it can be seen");
                let content = fs::read_to_string(&pid_file).unwrap_or_default();
                let now = (state, state != State::Stopped && !content.is_empty(), content.ends_with('\n'));
                if seen.last() != Some(&now) {
                    seen.push(now);
                }
                None
            },
            |record| {
                assert_state(&daemon, State::Ready);
                assert_pid(&daemon, record.pids[&Role::Daemon]);
            },
        );
        assert!(record.body, "{record:#?}");
        // The dead daemon's line goes before the lock is had.
        let stopped = [(State::Stopped, false, true), (State::Stopped, false, false)];
        let stopped = if left.is_some() { &stopped[..] } else { &stopped[1..] };
        let rest = [(State::Starting, false, false), (State::Starting, true, false), (State::Ready, true, true)];
        assert_eq!(seen, [stopped, &rest].concat());
    }
}

/// `stop` returns when the daemon has ended, and not when it has been told to.
#[test]
fn stopped_gracefully() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let launch = family.launch(env!("CARGO_BIN_EXE_graceful")).env("DAEMON_HOOK", "after");
    launch.env("DAEMON_PID_FILE", &pid_file).run().assert_code(0);
    family.daemon();
    let daemon = Instance::at(&pid_file);
    thread::scope(|scope| {
        let stopped = scope.spawn(|| daemon.stop(DEADLINE));
        let pid = family.at("stopping").pid;
        assert_pid(&daemon, pid);
        assert!(!stopped.is_finished(), "stop does not wait");
        fs::write(family.path("go"), "").expect("a mark");
        stopped.join().expect("no panic").expect("it can be stopped");
    });
    assert!(family.path("finished").is_symlink(), "its work was cut off");
    assert!(!pid_file.exists(), "the pid file is left");
}

#[test]
fn ignores_sigterm() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let daemon = Instance::at(&pid_file);
    let pid = start(&family, &pid_file, &["ignore=15"]);
    // As a float has it, it is a little less.
    let (limit, started) = (Duration::from_secs_f32(0.7), Instant::now());
    assert_error(daemon.stop(limit), 75, &format!("cannot stop process {pid}: it still runs 0.7 s after SIGTERM"));
    assert!(started.elapsed() >= limit, "stop does not wait");
    assert_error(daemon.stop(Duration::ZERO), 75, "still runs");
    assert_pid(&daemon, pid);
    daemon.stop_or_kill(limit).expect("it can be killed");
    assert!(!Proc::lives(pid), "it still runs");
    // It had no time to remove it.
    assert_absent(&daemon, "no process holds it");
    assert!(daemon.is_stale().expect("it can be seen"), "its file is not stale");
    let next = start(&family, &pid_file, &[]);
    assert_pid(&daemon, next);
    daemon.stop_or_kill(DEADLINE).expect("it can be stopped");
    assert!(!pid_file.exists(), "it had the time");
}

#[test]
fn signals() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let daemon = Instance::at(&pid_file);
    // An ordinary one, and on Linux one without a name.
    for signal in [Signal::SIGUSR1 as i32, if cfg!(linux_alone) { 34 } else { Signal::SIGUSR2 as i32 }] {
        let pid = start(&family, &pid_file, &[]);
        for wrong in [-1, 999] {
            assert_error(daemon.signal(wrong), 71, &format!("send signal {wrong}"));
        }
        daemon.signal(signal).expect("it can be signalled");
        until("the daemon's end", || (!Proc::lives(pid)).then_some(()));
    }
}

#[test]
fn reloaded() {
    let family = Family::new();
    let [log, pid_file] = ["log", "pid"].map(|name| family.path(name));
    let launch = launch(&family, &pid_file).env("DAEMON_STDERR", &log).env("DAEMON_REOPEN_ON_SIGHUP", "");
    launch.run().assert_code(0);
    fs::rename(&log, family.path("log.1")).expect("the log can be moved");
    Instance::at(&pid_file).reload().expect("it can be signalled");
    until("the new log", || log.exists().then_some(()));
}

/// The end of a daemon is its end, and not that it has been waited for.
#[test]
fn zombie_counts_as_ended() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let running = launch(&family, &pid_file).env("DAEMON_FOREGROUND", "").start();
    assert_eq!(family.daemon().pid, running.pid());
    let daemon = Instance::at(&pid_file);
    assert_pid(&daemon, running.pid());
    daemon.stop(DEADLINE).expect("it can be stopped");
    assert_absent(&daemon, "there is no such file");
    running.end().assert_signal(Signal::SIGTERM);
}

/// The pid in a file that nobody has locked proves nothing, and nobody is signalled.
#[test]
fn file_is_stale() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let daemon = Instance::at(&pid_file);
    let stranger = family.launch(READY).env("DAEMON_FOREGROUND", "").arg("pause").start();
    let zeros = "\0".repeat(1 << 20);
    for content in ["", "garbage", "1\n", &format!("{}\n", stranger.pid()), &zeros] {
        fs::write(&pid_file, content).expect("a stale file");
        assert_absent(&daemon, "no process holds it");
        assert_state(&daemon, State::Stopped);
        // An empty one is what a daemon leaves in a directory where it may remove nothing.
        assert_eq!(daemon.is_stale().expect("it can be seen"), !content.is_empty());
        assert_eq!(fs::read_to_string(&pid_file).expect("the file"), content);
    }
    assert!(Proc::lives(stranger.pid()), "a stranger was signalled");
}

/// A process that the kernel does not let go, as one that waits for a device: the wait has an end, and the error says so.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn killed_and_still_there() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let pid = start(&family, &pid_file, &[]);
    // In a thread, with which the tracing ends.
    let (error, took) = thread::scope(|scope| {
        let stop = scope.spawn(|| {
            // It stops once more when it ends, even by SIGKILL.
            ptrace::seize(Pid::from_raw(pid), ptrace::Options::PTRACE_O_TRACEEXIT).expect("root may trace it");
            let started = Instant::now();
            let stopped = Instance::at(&pid_file).stop_or_kill(Duration::from_millis(100));
            (stopped.expect_err("it is still there"), started.elapsed())
        });
        stop.join().expect("no panic")
    });
    assert_eq!(error.exit_code(), 75, "{error}");
    let says = format!("cannot stop process {pid}: it still runs 5 s after SIGKILL; see in ps(1) what it waits for");
    assert!(error.to_string().contains(&says), "{error}");
    assert!(took < Duration::from_secs(8), "it took {took:?}");
    family.assert_gone();
}

/// Those who look do not get into the way of those who start, nor of each other.
#[test]
fn looking_at_a_pid_file_hinders_no_start() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let daemon = Instance::at(&pid_file);
    let done = AtomicBool::new(false);
    let stranger = std::process::id();
    thread::scope(|scope| {
        let look = || {
            while !done.load(Ordering::Relaxed) {
                let seen = daemon.pid().expect("it can be seen");
                assert_ne!(seen, Some(stranger), "the pid of a stale file");
            }
        };
        (0..3).for_each(|_| drop(scope.spawn(look)));
        // Not a panic in here, which would leave the threads running.
        let ends: Vec<_> = (0..30)
            .map(|_| {
                fs::write(&pid_file, format!("{stranger}\n")).expect("a stale file");
                let end = launch(&family, &pid_file).args(["notify", "pause"]).run();
                let stopped = daemon.stop(DEADLINE);
                (end, stopped)
            })
            .collect();
        done.store(true, Ordering::Relaxed);
        for (end, stopped) in ends {
            end.assert_code(0).assert_stderr("");
            stopped.expect("it can be stopped");
        }
    });
}

/// What is no pid file is an error, and nothing is waited for.
#[test]
fn not_a_pid_file() {
    let family = Family::new();
    fs::write(family.path("file"), "").expect("a file");
    symlink("file", family.path("link")).expect("a link");
    mkfifo(&family.path("fifo"), Mode::from_bits_truncate(0o600)).expect("a fifo");
    for (name, why) in [
        ("link", "it is a symbolic link; correct the path"),
        ("fifo", "not a regular file"),
        (".", "not a regular file"),
        ("file/pid", "Not a directory"),
    ] {
        let daemon = Instance::at(family.path(name));
        let named = |error: Error| {
            assert!([why, name].iter().all(|part| error.to_string().contains(part)), "{why}, {name}: {error}");
            let code = if name == "file/pid" { 71 } else { 73 };
            assert_eq!(error.exit_code(), code, "{name}: {error}");
        };
        named(daemon.pid().expect_err(name));
        named(daemon.state().expect_err(name));
        named(daemon.is_stale().expect_err(name));
        named(daemon.stop(DEADLINE).expect_err(name));
    }
}

// Other users.

/// The control program as another user, from a directory for everyone.
#[cfg(linux_alone)]
fn control_as_nobody<'a>(family: &'a Family, pid_file: &Path, word: &str) -> Launch<'a> {
    fs::set_permissions(family.directory(), Permissions::from_mode(0o755)).expect("a directory for everyone");
    launch_as(family, &AS_NOBODY, CONTROL).arg(pid_file).arg(word)
}

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn controlled_by_another_user() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let control = |word: &str| control_as_nobody(&family, &pid_file, word).run();
    let pid = start(&family, &pid_file, &[]);
    assert_eq!(control("pid").assert_code(0).stdout, format!("Some({pid})\n"));
    control("stop").assert_code(77).assert_says(&[&format!("process {pid}"), "Operation not permitted"]);
    assert_pid(&Instance::at(&pid_file), pid);
    fs::set_permissions(family.directory(), Permissions::from_mode(0o700)).expect("a closed directory");
    // The program has to be outside of it.
    let elsewhere = Family::new();
    let end = control_as_nobody(&elsewhere, &pid_file, "pid").run();
    end.assert_code(77).assert_says(&["Permission denied", pid_file.to_str().expect("a path")]);
}

/// Root's word must not be the tool of whoever may write the file.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn a_pid_that_its_owner_has_forged() {
    let family = Family::new();
    let pid_file = family.path("pid");
    chown(family.directory(), Some(65534), None).expect("chown");
    launch(&family, &pid_file).env("DAEMON_USER", "nobody").run().assert_code(0);
    let (pid, daemon) = (family.daemon().pid, Instance::at(&pid_file));
    assert_pid(&daemon, pid);
    let victim = family.launch("sleep").arg("1000").start();
    // The same file, still locked.
    fs::write(&pid_file, format!("{}\n", victim.pid())).expect("the file can be written");
    assert_error(
        daemon.stop(DEADLINE),
        77,
        &format!("it belongs to user 65534, and process {} does not", victim.pid()),
    );
    assert!(Proc::lives(victim.pid()), "another process was signalled");
}

/// A service that once ran as another user can still be seen and stopped by root.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn left_by_another_users_daemon() {
    let family = Family::new();
    let pid_file = family.path("pid");
    fs::write(&pid_file, "1\n").expect("a stale file");
    chown(&pid_file, Some(65534), None).expect("chown");
    let (pid, daemon) = (start(&family, &pid_file, &[]), Instance::at(&pid_file));
    assert_pid(&daemon, pid);
    daemon.stop(DEADLINE).expect("it can be stopped");
}

/// The daemon of a set-user-ID program belongs to the user whose rights it has, and so does its pid file.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn started_by_a_set_user_id_program() {
    let family = Family::new();
    let (pid_file, program) = (family.path("pid"), family.path("program"));
    // Not by this process: a program cannot be executed while somebody has it open to write.
    family.launch("cp").arg(READY).arg(&program).run().assert_code(0);
    for path in [&program, family.directory()] {
        chown(path, Some(65534), None).expect("chown");
    }
    fs::set_permissions(&program, Permissions::from_mode(0o4755)).expect("its mode");
    let launch = family.through(&[&["setpriv"], &AS_ALICE[..]].concat(), &program);
    launch.env("DAEMON_PID_FILE", &pid_file).run().assert_code(0);
    let daemon = family.daemon();
    assert_eq!(daemon.uids, [4001, 65534, 65534, 65534], "its user ids");
    assert_pid(&Instance::at(&pid_file), daemon.pid);
    Instance::at(&pid_file).stop(DEADLINE).expect("it can be stopped");
    family.assert_nothing_left(&pid_file);
}

/// Its pid is another process's here, and that is neither taken for the daemon nor signalled.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: pid namespaces")]
fn in_another_pid_namespace() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let victim = family.launch("sleep").arg("1000").start();
    // proc_sys_kernel(5): the next process there gets the victim's number.
    let script = "echo $(($1 - 1)) >/proc/sys/kernel/ns_last_pid; \"$2\" notify pause; exit";
    let namespace = ["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh"];
    let daemon = family.launch("unshare").args(namespace).arg(victim.pid().to_string()).arg(READY);
    let running = daemon.env("DAEMON_PID_FILE", &pid_file).env("DAEMON_FOREGROUND", "").start();
    let line = format!("{}\n", victim.pid());
    until("the pid file is written", || (fs::read_to_string(&pid_file).ok()? == line).then_some(()));
    let why = format!("a process holds it that {} has left", victim.pid());
    assert_error(Instance::at(&pid_file).stop_or_kill(DEADLINE), 69, &why);
    assert!(Proc::lives(victim.pid()), "another process was signalled");
    drop(running);
}

/// The launcher has made the file for a user that the daemon has not become yet.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
#[cfg(target_arch = "x86_64")]
fn seen_before_it_drops_privileges() {
    use std::cell::RefCell;
    use tests::tracer::{Call, Role, trace};
    use tests::within;

    let family = Family::new();
    let pid_file = family.path("pid");
    let look = || Instance::at(&pid_file).pid();
    let record = thread::scope(|scope| {
        let looked = RefCell::new(None);
        let at_call = |call: &Call| {
            if looked.borrow().is_none() && call.role == Role::Daemon && call.name() == "setuid" {
                let look = scope.spawn(look);
                within(Duration::from_millis(300), || look.is_finished().then_some(()));
                looked.replace(Some(look));
            }
            None
        };
        let launch = launch(&family, &pid_file).env("DAEMON_USER", "nobody").args(["notify", "mark"]);
        trace(launch, at_call, |record| {
            let seen = looked.take().expect("it drops privileges").join().expect("no panic");
            assert_eq!(seen.expect("it can be seen"), Some(record.pids[&Role::Daemon] as u32));
        })
    });
    assert!(record.body, "{record:#?}");
}
