//! Debian's start-stop-daemon as a client of the pid file: its exit codes are right at every moment of a daemon's life.
//!
//! It takes a zombie for a running process, and process 1 of a container may reap one late. So these tests adopt the
//! daemons themselves.
#![cfg(linux_alone)] // Debian's tool.

use std::fs;
use std::path::PathBuf;
use std::thread;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tests::{End, Family, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// A service as an init script knows it.
struct Service {
    family: Family,
    pid_file: PathBuf,
    user: Option<&'static str>,
}

impl Service {
    fn new() -> Service {
        set_child_subreaper(true).expect("prctl");
        let family = Family::new();
        let pid_file = family.path("pid");
        Service { family, pid_file, user: None }
    }

    /// `start-stop-daemon` with the pid file and these words.
    fn tool(&self, words: &[&str]) -> End {
        let (verb, words) = words.split_first().expect("what to do");
        let mut launch =
            self.family.launch("start-stop-daemon").args([verb, "--pidfile"]).arg(&self.pid_file).args(words);
        launch = launch.env("DAEMON_PID_FILE", &self.pid_file);
        match self.user {
            Some(user) => launch.env("DAEMON_USER", user).run(),
            None => launch.run(),
        }
    }

    /// `start-stop-daemon --start` of the fixture, with these words for it.
    fn start(&self, options: &[&str], words: &[&str]) -> End {
        self.tool(&[&["--start", "--exec", READY], options, &["--"], words].concat())
    }

    /// The daemon's pid. It will be reaped as soon as it ends.
    fn adopt(&self) -> i32 {
        let pid = fs::read_to_string(&self.pid_file).expect("the pid file").trim().parse().expect("a pid");
        thread::spawn(move || waitpid(Pid::from_raw(pid), None));
        pid
    }

    fn kill(&self, pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the daemon runs");
        until("the daemon's end", || (!fs::exists(format!("/proc/{pid}")).expect("/proc")).then_some(()));
    }
}

#[test]
#[ignore = "needs Debian's start-stop-daemon"]
fn started_and_stopped() {
    let service = Service::new();
    service.tool(&["--status"]).assert_code(3);
    service.tool(&["--stop"]).assert_code(1);
    service.tool(&["--stop", "--oknodo"]).assert_code(0);

    service.start(&[], &["notify", "pause"]).assert_code(0).assert_stderr("");
    let pid = service.adopt();
    service.tool(&["--status"]).assert_code(0);
    service.tool(&["--status", "--exec", READY]).assert_code(0);
    service.tool(&["--stop", "--test"]).assert_code(0);

    // Nothing is started, so that no word is done.
    service.start(&[], &["touch=second"]).assert_code(1);
    service.start(&["--oknodo"], &["touch=second"]).assert_code(0);
    assert_eq!(service.family.members(), [pid]);
    assert!(!service.family.path("second").is_symlink(), "a second daemon runs");

    service.tool(&["--stop", "--retry", "20"]).assert_code(0);
    service.family.assert_nothing_left(&service.pid_file);
    service.tool(&["--status"]).assert_code(3);
    service.tool(&["--stop"]).assert_code(1);
}

/// It has a file that says that the daemon has not ended well, and that hinders nobody.
#[test]
#[ignore = "needs Debian's start-stop-daemon"]
fn killed() {
    let service = Service::new();
    service.start(&[], &["notify", "pause"]).assert_code(0);
    service.kill(service.adopt());
    service.tool(&["--status"]).assert_code(1);
    service.tool(&["--stop"]).assert_code(1);
    service.start(&[], &["notify", "pause"]).assert_code(0);
    service.adopt();
    service.tool(&["--status"]).assert_code(0);
    service.tool(&["--stop", "--retry", "20"]).assert_code(0);
    service.family.assert_nothing_left(&service.pid_file);
}

#[test]
#[ignore = "needs Debian's start-stop-daemon"]
fn ignores_sigterm() {
    let service = Service::new();
    service.start(&[], &["ignore=15", "notify", "pause"]).assert_code(0);
    service.adopt();
    service.tool(&["--stop", "--retry", "TERM/1"]).assert_code(2);
    service.tool(&["--status"]).assert_code(0);
    service.tool(&["--stop", "--retry", "TERM/1/KILL/20"]).assert_code(0);
    service.family.assert_gone();
    service.tool(&["--status"]).assert_code(1);
}

/// It becomes the launcher, so that a failed start has the launcher's code.
#[test]
#[ignore = "needs Debian's start-stop-daemon"]
fn failed_starts() {
    let service = Service::new();
    service.start(&[], &["error=no luck"]).assert_code(1).assert_stderr("Error: \"no luck\"\n");
    service.start(&[], &["exit=7"]).assert_code(7);
    service.tool(&["--status"]).assert_code(3);
    // A daemon that it does not know of.
    service.start(&[], &["notify", "pause"]).assert_code(0);
    let pid = service.adopt();
    let elsewhere = service.family.path("elsewhere");
    let tool =
        service.family.launch("start-stop-daemon").args(["--start", "--exec", READY, "--pidfile"]).arg(elsewhere);
    let end = tool.env("DAEMON_PID_FILE", &service.pid_file).run();
    end.assert_code(69).assert_says(&[&format!("held by process {pid};")]);
}

/// It trusts no pid file of another user, unless it is told whose process to expect.
#[test]
#[ignore = "needs root and Debian's start-stop-daemon"]
fn another_user() {
    let service = Service { user: Some("nobody"), ..Service::new() };
    service.start(&[], &["notify", "pause"]).assert_code(0);
    service.adopt();
    service.tool(&["--status"]).assert_code(4);
    service.tool(&["--status", "--user", "nobody"]).assert_code(0);
    service.start(&["--user", "nobody"], &["notify", "pause"]).assert_code(1);
    service.tool(&["--stop", "--user", "nobody", "--retry", "20"]).assert_code(0);
    service.family.assert_gone();
    service.start(&["--user", "nobody"], &["notify", "pause"]).assert_code(0);
}
