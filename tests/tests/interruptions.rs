//! A start that is interrupted, at any of its three processes, and starts that come in a crowd.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
#[cfg(linux_alone)]
use nix::libc::SYS_write;
#[cfg(linux_alone)]
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe, write};
#[cfg(linux_alone)]
use tests::debugger;
use tests::pty::Pty;
use tests::{Family, Proc, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");

/// A body that is starting, and never ready.
const STARTING: [&str; 2] = ["touch=starting", "pause"];

#[test]
fn signals_to_the_launcher() {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        let family = Family::new();
        let pid_file = family.path("pid");
        let launcher = family.launch(READY).args(STARTING).env("DAEMON_PID_FILE", &pid_file).start();
        let daemon = family.at("starting");
        assert!(Family::is_locked(&pid_file), "nobody holds the pid file");
        launcher.signal(signal);
        let end = launcher.end();
        let ended_by = end.status.signal().or(end.status.code().map(|code| code - 128));
        assert_eq!(ended_by, Some(signal as i32), "{end:#?}");
        family.assert_nothing_left(&pid_file);
        until("the daemon's end", || (!Proc::lives(daemon.pid)).then_some(()));
    }
}

/// A launcher that is killed can end nobody. The daemon goes on, and holds the pid file, until it says that it is ready: then it ends.
#[test]
fn the_launcher_is_killed() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let words = ["touch=starting", "wait=go", "notify", "touch=body", "pause"];
    let mut launcher = family.launch(READY).env("DAEMON_PID_FILE", &pid_file).args(words).start();
    let daemon = family.at("starting");
    launcher.signal(Signal::SIGKILL);
    until("the launcher's end", || launcher.has_ended().then_some(()));
    // A session leader that has stayed ends with it.
    until("the daemon alone is left", || (family.members() == [daemon.pid]).then_some(()));
    assert_eq!(std::fs::read_to_string(&pid_file).expect("a pid file"), daemon.pid.to_string());
    assert!(Family::is_locked(&pid_file), "nobody holds the pid file");
    std::os::unix::fs::symlink("-", family.path("go")).expect("a mark");
    let end = launcher.end();
    end.assert_signal(Signal::SIGKILL);
    end.assert_stderr("ready: cannot start the daemon: the launcher has died; start it again\n");
    family.assert_nothing_left(&pid_file);
    assert!(!family.path("body").is_symlink(), "it goes on");
}

/// A body that makes a session of its own is ended too, and before the launcher ends.
#[test]
fn daemon_in_a_session_of_its_own_ends_with_its_launcher() {
    let family = Family::new();
    let launcher = family.launch(READY).arg("setsid").args(STARTING).start();
    let daemon = family.at("starting");
    launcher.signal(Signal::SIGTERM);
    launcher.end().assert_signal(Signal::SIGTERM);
    assert!(!Proc::lives(daemon.pid), "the daemon still runs");
}

/// The launcher of a failed start has something to say, and stderr is a pipe that nobody reads.
#[cfg(linux_alone)]
#[test]
fn interrupted_while_stderr_is_full() {
    let family = Family::new();
    let (unread, full) = full_pipe();
    let mut launcher = family.launch(READY).args(["touch=starting", "signal=9"]).stderr(full).start();
    until("the launcher alone", || (family.members() == [launcher.pid()] && is_writing(launcher.pid())).then_some(()));
    assert!(!launcher.has_ended(), "the launcher does not wait");
    launcher.signal(Signal::SIGTERM);
    launcher.end().assert_signal(Signal::SIGTERM);
    drop(unread);
}

#[cfg(linux_alone)]
fn full_pipe() -> (OwnedFd, OwnedFd) {
    let (reader, writer) = pipe().expect("a pipe");
    let size = fcntl(&writer, FcntlArg::F_GETPIPE_SZ).expect("its size");
    assert_eq!(write(&writer, &vec![b'x'; size as usize]), Ok(size as usize));
    (reader, writer)
}

/// Whether it is in a write(2) to stderr.
#[cfg(linux_alone)]
fn is_writing(pid: i32) -> bool {
    let call = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    call.starts_with(&format!("{SYS_write} 0x2 "))
}

/// What the start-up forked goes too.
#[test]
fn signals_to_the_launcher_of_a_family() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let family = Family::new();
        let launcher = family.launch(READY).arg("fork").args(STARTING).start();
        family.at("starting");
        launcher.signal(signal);
        launcher.end();
        family.assert_gone();
    }
}

/// A main that has dropped its `Ready` can never be ready, and still goes with its launcher.
#[test]
fn signals_to_the_launcher_of_a_main_without_its_ready() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let launcher = family.launch(READY).arg("drop").args(STARTING).env("DAEMON_PID_FILE", &pid_file).start();
    family.at("starting");
    launcher.signal(Signal::SIGINT);
    launcher.end().assert_signal(Signal::SIGINT);
    family.assert_nothing_left(&pid_file);
}

#[test]
fn control_c_at_the_terminal() {
    let family = Family::new();
    let mut terminal = Pty::open();
    let launcher = terminal.launch(family.launch(READY)).args(["print=starting", "touch=starting", "pause"]).start();
    terminal.until("starting");
    family.at("starting");
    terminal.press("\x03");
    let end = launcher.end();
    assert!(!end.status.success(), "{end:#?}");
    family.assert_gone();
}

#[test]
fn the_terminal_closes_while_starting() {
    let family = Family::new();
    let terminal = Pty::open();
    let launcher = terminal.launch(family.launch(READY)).args(STARTING).start();
    family.at("starting");
    terminal.close();
    assert!(!launcher.end().status.success(), "the launcher exits with 0");
    family.assert_gone();
}

#[test]
fn the_daemon_is_killed_while_starting() {
    let family = Family::new();
    let launcher = family.launch(READY).args(STARTING).start();
    let daemon = family.at("starting");
    kill(Pid::from_raw(daemon.pid), Signal::SIGKILL).expect("it lives");
    launcher.end().assert_code(128 + 9).assert_one_line().assert_says(&["SIGKILL"]);
    family.assert_gone();
}

/// Stopped and continued, as by Ctrl-Z and fg: some system calls are interrupted by this.
#[cfg(linux_alone)]
#[test]
fn stopped_and_continued() {
    let family = Family::new();
    let words = ["touch=starting", "wait=go", "notify", "touch=body", "pause"];
    let launcher = family.launch(READY).args(words).start();
    let daemon = family.at("starting").pid;
    for pid in [launcher.pid(), daemon, launcher.pid(), daemon] {
        for (signal, stopped) in [(Signal::SIGSTOP, true), (Signal::SIGCONT, false)] {
            kill(Pid::from_raw(pid), signal).expect("it lives");
            until("its state", || Proc::of(pid).filter(|proc| (proc.state == 'T') == stopped));
        }
    }
    std::fs::write(family.path("go"), "").expect("a file in the directory");
    launcher.end().assert_code(0);
    assert_eq!(family.daemon().pid, daemon);
}

/// The exit code and the daemon agree, 200 times, while both cores are busy.
#[test]
fn two_hundred_launches_under_load() {
    let busy = AtomicBool::new(true);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let _idle = Idle(&busy);
        for _ in 0..4 {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let launchers: Vec<_> = (0..8).map(|_| scope.spawn(|| while launch_one(&next) {})).collect();
        launchers.into_iter().for_each(|launcher| launcher.join().expect("no launch fails"));
    });
}

/// Ends the load, however the test ends.
struct Idle<'a>(&'a AtomicBool);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn launch_one(next: &AtomicUsize) -> bool {
    let number = next.fetch_add(1, Ordering::Relaxed);
    if number >= 200 {
        return false;
    }
    let family = Family::new();
    match number % 4 {
        0 => drop(family.launch(READY).run().assert_code(0)),
        1 => drop(family.launch(WITHOUT_READY).run().assert_code(0)),
        2 => drop(family.launch(READY).arg("exit=7").run().assert_code(7)),
        _ => drop(family.launch(READY).arg("signal=9").run().assert_code(137)),
    }
    match number % 4 {
        0 | 1 => drop(family.daemon()),
        _ => family.assert_gone(),
    }
    true
}

/// Nobody waits for a pipe that the daemon still holds: it holds none.
#[test]
fn pipes_of_the_shell_close() {
    for (program, words) in [(READY, "notify touch=body pause"), (WITHOUT_READY, "touch=body pause")] {
        for command in
            ["x=$(\"$0\" $1); echo \"done $?\"", "\"$0\" $1 2>&1 | cat; echo \"done $?\"", "\"$0\" $1 && echo 'done 0'"]
        {
            let family = Family::new();
            let command = command.replace("$1", words);
            let end = family.shell(&command, [program]).run();
            end.assert_code(0).assert_stderr("");
            assert_eq!(end.stdout, "done 0\n");
            assert!(end.took < Duration::from_secs(5), "{end:#?}");
            family.daemon();
        }
    }
}

/// `app && echo up` says up only if it is.
#[test]
fn shell_operators_follow_the_exit_code() {
    let family = Family::new();
    let end = family.shell("\"$0\" exit=3 && echo up || echo \"down $?\"", [READY]).run();
    assert_eq!(end.stdout, "down 3\n");
    family.assert_gone();
}

/// Who is ready when the time is over does not wait for an answer: the start ends at once, and not by SIGKILL.
#[cfg(linux_alone)]
#[test]
fn ready_too_late() {
    let family = Family::new();
    let launch = family.launch(env!("CARGO_BIN_EXE_opens_in_setup")).env("DAEMON_SETUP", "block=15");
    let launch = launch.env("DAEMON_START_TIMEOUT", "100").env("DAEMON_PID_FILE", family.path("pid"));
    let launch = launch.args(["touch=starting", "wait=go", "notify", "touch=body", "pause"]);
    let launcher = launch.start();
    let daemon = family.at("starting");
    let is_asked_to_end = || {
        let pending = Proc::status(daemon.pid)?["ShdPnd"].clone();
        (u64::from_str_radix(&pending, 16).expect("a set of signals") >> 14 & 1 == 1).then_some(())
    };
    until("the time is over", is_asked_to_end);
    std::os::unix::fs::symlink("-", family.path("go")).expect("a mark");
    let end = launcher.end();
    end.assert_code(75).assert_one_line().assert_says(&["it was not ready after 0.1 s"]);
    assert!(end.took < Duration::from_secs(4), "it was killed after {:?}", end.took);
    assert!(!family.path("body").is_symlink(), "it goes on");
    family.assert_nothing_left(&family.path("pid"));
}

/// Whether a signal is in one of the sets of /proc/PID/status.
#[cfg(linux_alone)]
fn is_pending(pid: i32, signal: Signal) -> bool {
    let status = Proc::status(pid).unwrap_or_else(|| panic!("process {pid} has ended"));
    let set = u64::from_str_radix(&status["ShdPnd"], 16).expect("a set of signals");
    set >> (signal as i32 - 1) & 1 == 1
}

/// An impatient person's third Ctrl-C comes when SIGKILL has been sent, and the daemon takes its time to die: a debugger holds it on
/// its way out. The launcher goes on waiting, and what it says is true.
#[cfg(linux_alone)]
#[test]
fn control_c_three_times() {
    let family = Family::new();
    let pid_file = family.path("pid");
    // Blocked, and not ignored: so it can be seen that it was sent.
    let launch = family.launch(env!("CARGO_BIN_EXE_opens_in_setup")).env("DAEMON_SETUP", "block=15");
    let launcher = launch.env("DAEMON_PID_FILE", &pid_file).args(STARTING).start();
    let daemon = family.at("starting").pid;
    launcher.signal(Signal::SIGINT);
    until("SIGTERM", || is_pending(daemon, Signal::SIGTERM).then_some(()));
    let tracee = Pid::from_raw(daemon);
    ptrace::seize(tracee, ptrace::Options::PTRACE_O_TRACEEXIT).expect("a descendant can be traced");
    launcher.signal(Signal::SIGINT);
    until("the daemon on its way out", || match waitpid(tracee, Some(WaitPidFlag::WNOHANG)).expect("a tracee") {
        WaitStatus::StillAlive => None,
        WaitStatus::PtraceEvent(_, _, event) if event == ptrace::Event::PTRACE_EVENT_EXIT as i32 => Some(()),
        status => panic!("{status:?}"),
    });
    launcher.signal(Signal::SIGINT);
    // It has got the third one, and waits again: or, which would be wrong, has ended.
    until("the launcher has got it", || match Proc::of(launcher.pid()) {
        Some(launcher) => (launcher.state == 'S' && !is_pending(launcher.pid, Signal::SIGINT)).then_some(()),
        None => Some(()),
    });
    assert!(Proc::lives(launcher.pid()), "the launcher has left the daemon behind: {}", launcher.stderr());
    ptrace::detach(tracee, None).expect("it is stopped");
    let end = launcher.end();
    let is_left = Proc::lives(daemon);
    end.assert_signal(Signal::SIGINT);
    end.assert_stderr("opens_in_setup: the start was interrupted by SIGINT; nothing is left running\n");
    assert!(!is_left, "the daemon still runs");
    family.assert_nothing_left(&pid_file);
}

/// A Ctrl-C that the launcher hears before it has heard of the daemon, whose pid it has been told all the same: also one that has
/// made a session of its own, which a signal to the group does not reach, is ended.
#[cfg(linux_alone)]
#[test]
fn control_c_before_the_daemon_is_heard_of() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let launch = family.launch(env!("CARGO_BIN_EXE_opens_in_setup")).env("DAEMON_PID_FILE", &pid_file);
    let launcher = debugger::start(launch.arg("setsid").args(STARTING), "");
    let first = Pid::from_raw(launcher.pid());
    let leader = debugger::fork_of(first);
    debugger::until_event(leader, ptrace::Event::PTRACE_EVENT_STOP);
    // What it forks is not traced.
    ptrace::setoptions(leader, ptrace::Options::empty()).expect("it is stopped");
    debugger::let_go(leader);
    let daemon = family.at("starting");
    launcher.signal(Signal::SIGINT);
    debugger::let_go(first);
    let end = launcher.end();
    end.assert_signal(Signal::SIGINT);
    assert!(!Proc::lives(daemon.pid), "the daemon still runs");
    family.assert_nothing_left(&pid_file);
}

/// As long as the launcher waits, the session leader's number, which it may have to signal, stays taken.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: the launcher adopts orphans")]
fn the_session_leader_is_not_reaped() {
    let family = Family::new();
    // A session of the daemon's own: the leader's has no other member.
    let launcher = family.launch(READY).args(["setsid", "touch=starting", "wait=go", "notify", "exit=0"]).start();
    let daemon = family.at("starting");
    until("the launcher is the parent", || (Proc::of(daemon.pid)?.ppid == launcher.pid()).then_some(()));
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", launcher.pid())).expect("it runs");
    let children: Vec<i32> = children.split(' ').filter_map(|pid| pid.parse().ok()).collect();
    let leader = children.iter().find(|pid| **pid != daemon.pid).expect("a second child");
    let stat = std::fs::read_to_string(format!("/proc/{leader}/stat")).expect("the leader");
    assert!(stat.contains(") Z "), "{stat}");
    std::os::unix::fs::symlink("-", family.path("go")).expect("a mark");
    launcher.end().assert_code(0);
    family.assert_gone();
}
