//! A real systemd, as process 1 of namespaces of its own. Needs root and Debian's `systemd` and `util-linux`.
//!
//! Its files are an overlay of the machine's, gone when it ends; `/run`, `/tmp`, `/dev` and the network are its own. The
//! programs of this build are in [`PROGRAMS`].

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use nix::sys::stat::{Mode, umask};

use crate::{Proc, until, within};

/// Where the programs of this build are found in there.
pub const PROGRAMS: &str = "/opt/tests";

/// A booted systemd. All of it ends when it is dropped.
#[derive(Debug)]
pub struct Systemd {
    shell: Child,
    /// Its process 1, as seen from outside.
    init: i32,
}

/// One entry of the journal.
#[derive(Debug)]
pub struct Entry {
    /// From 0, emerg, to 7, debug.
    pub priority: u8,
    /// Who wrote it: `systemd`, or the name of a program.
    pub identifier: String,
    /// What was written.
    pub message: String,
}

impl Systemd {
    /// The one that the tests of a program share, as long as one of them runs.
    pub fn shared() -> Arc<Systemd> {
        static SHARED: Mutex<Weak<Systemd>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let booted = Arc::new(Systemd::boot());
            *shared = Arc::downgrade(&booted);
            booted
        })
    }

    /// Boots one.
    pub fn boot() -> Systemd {
        let programs = std::env::current_exe().expect("the path of the test");
        let programs = programs.ancestors().nth(2).expect("a test is in target/PROFILE/deps");
        // For the shell, and for the files that the tests write in there.
        umask(Mode::from_bits_retain(0o022));
        let mut shell = Command::new("unshare")
            .args(["--mount", "sh", "-c", include_str!("boot_systemd.sh"), "boot_systemd"])
            .arg(programs)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C is for the test, whose end the shell sees.
            .process_group(0)
            .spawn()
            .expect("unshare, of util-linux, can be run");
        let mut pid = String::new();
        // The end of the stream, if it says no pid.
        BufReader::new(shell.stdout.take().expect("a pipe")).read_line(&mut pid).expect("a line");
        let mut systemd = Systemd { shell, init: pid.trim().parse().unwrap_or(0) };
        assert!(systemd.init != 0, "systemd cannot be booted: {}", systemd.end());
        until("systemd has booted", || {
            assert!(Proc::lives(systemd.init), "systemd has died while it booted");
            let state = systemd.run("systemctl", ["is-system-running", "--wait"]);
            match std::str::from_utf8(&state.stdout).map(str::trim) {
                Ok("running") => Some(()),
                Ok("degraded") => panic!("failed while it booted: {:?}", systemd.run("systemctl", ["--failed"])),
                // It does not listen yet.
                _ => None,
            }
        });
        systemd
    }

    /// Its process 1, as seen from outside.
    pub fn init(&self) -> i32 {
        self.init
    }

    /// A path in there, as seen from outside.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// Writes a file in there, and the directory for it.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("a directory can be made");
        fs::write(&path, text).unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }

    /// Writes unit files, by their names, and makes systemd read them.
    pub fn units(&self, units: &[(&str, &str)]) {
        for (name, text) in units {
            self.write(&format!("/run/systemd/system/{name}"), text);
        }
        let output = self.systemctl(&["daemon-reload"]);
        assert!(output.status.success(), "{output:?}");
    }

    /// A copy of one of this build's programs in there, where a unit file expects it.
    pub fn install(&self, program: &str, path: &str) {
        let program = Path::new(program).file_name().expect("a program's name").to_str().expect("an ASCII name");
        let output = self.run("install", ["-D", &format!("{PROGRAMS}/{program}"), path]);
        assert!(output.status.success(), "{output:?}");
    }

    /// Runs a program in there, to its end.
    pub fn run<'a>(&self, program: &str, args: impl IntoIterator<Item = &'a str>) -> Output {
        Command::new("nsenter")
            .args(["--all", "--target", &self.init.to_string(), program])
            .args(args)
            .stdin(Stdio::null())
            .env_remove("NOTIFY_SOCKET")
            .output()
            .expect("nsenter, of util-linux, can be run")
    }

    /// Runs systemctl.
    pub fn systemctl(&self, words: &[&str]) -> Output {
        self.run("systemctl", words.iter().copied())
    }

    /// A property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        let output = self.systemctl(&["show", "--value", "--property", name, unit]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("properties are UTF-8").trim().to_owned()
    }

    /// What a TCP server in there says to a new connection; `None` if there is no server.
    pub fn ask(&self, host: &str, port: u16) -> Option<String> {
        let connect = format!("exec 3<>/dev/tcp/{host}/{port} && cat <&3");
        let output = self.run("timeout", ["10", "bash", "-c", &connect]);
        output.status.success().then(|| String::from_utf8(output.stdout).expect("the answer is UTF-8"))
    }

    /// All that the journal has of a unit: its own lines, and systemd's about it.
    pub fn journal(&self, unit: &str) -> Vec<Entry> {
        let synced = self.run("journalctl", ["--sync"]);
        assert!(synced.status.success(), "{synced:?}");
        let output = self.run("journalctl", ["--output=export", "--unit", unit]);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).expect("these tests log UTF-8");
        let entries = text.split("\n\n").filter(|entry| !entry.trim().is_empty());
        entries
            .map(|entry| {
                let fields: BTreeMap<&str, &str> = entry.lines().filter_map(|line| line.split_once('=')).collect();
                let field = |name| (*fields.get(name).unwrap_or(&"")).to_owned();
                Entry {
                    priority: field("PRIORITY").parse().expect("each entry has a priority"),
                    identifier: field("SYSLOG_IDENTIFIER"),
                    message: field("MESSAGE"),
                }
            })
            .collect()
    }

    /// Ends it; what the shell had to say.
    fn end(&mut self) -> String {
        drop(self.shell.stdin.take());
        let ended = within(crate::DEADLINE, || self.shell.try_wait().expect("the status of a child"));
        let mut said = String::new();
        if ended.is_some() {
            let _ = self.shell.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said));
        } else {
            let _ = self.shell.kill();
        }
        said
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let said = self.end();
        if !std::thread::panicking() {
            assert!(said.is_empty(), "{said}");
            let gone = within(crate::DEADLINE, || (!Proc::lives(self.init)).then_some(()));
            assert!(gone.is_some(), "systemd is left");
        }
    }
}
