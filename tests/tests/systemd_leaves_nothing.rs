//! The booted systemd itself: whatever happens to a test, all of it goes.
#![cfg(linux_alone)] // Systemd.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::systemd::Systemd;
use tests::{Proc, processes};

/// What shows that a systemd is there, or was.
struct Traces {
    namespace: PathBuf,
    cgroup: String,
}

fn namespace(pid: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/pid")).ok()
}

impl Traces {
    fn of(systemd: &Systemd) -> Traces {
        let cgroups = fs::read_to_string(format!("/proc/{}/cgroup", systemd.init())).expect("its cgroups");
        let cgroup = cgroups.lines().find_map(|line| line.strip_prefix("0::/")).expect("one of version 2");
        // What systemd made in there goes with it.
        let cgroup = cgroup.split('/').find(|name| name.starts_with("systemd-test-")).expect("its own").to_owned();
        Traces { namespace: namespace(systemd.init()).expect("its namespace"), cgroup }
    }

    fn processes(&self) -> usize {
        let is_one = |pid: &i32| namespace(*pid).as_ref() == Some(&self.namespace) && Proc::lives(*pid);
        processes().iter().filter(|pid| is_one(pid)).count()
    }

    fn has_cgroup(&self) -> bool {
        let find = format!("mount -t cgroup2 cgroup2 /mnt && find /mnt -name {}", self.cgroup);
        let output = Command::new("unshare").args(["--mount", "sh", "-c", &find]).output().expect("unshare can be run");
        assert!(output.status.success(), "{output:?}");
        !output.stdout.is_empty()
    }
}

fn assert_no_files() {
    for file in ["/tmp/daemon-test-file", "/etc/daemon-test-file", "/run/systemd/system/stubborn.service"] {
        assert!(!Path::new(file).exists(), "{file} is seen outside");
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").expect("/proc is mounted");
    assert!(!mounts.contains("upperdir=/mnt/upper"), "{mounts}");
}

fn boot_and_leave_traces() -> (Systemd, Traces) {
    let systemd = Systemd::boot();
    // It ignores what may be ignored, and has a child in a session of its own.
    let service = "[Service]\nExecStart=/bin/sh -c 'trap \"\" TERM HUP; setsid sleep 1000 & sleep 1000'\n";
    systemd.units(&[("stubborn.service", service)]);
    assert!(systemd.systemctl(&["start", "stubborn"]).status.success(), "the service does not start");
    systemd.write("/tmp/daemon-test-file", "");
    systemd.write("/etc/daemon-test-file", "");
    assert_no_files();
    let traces = Traces::of(&systemd);
    assert!(traces.processes() >= 2, "too few processes to see that they go");
    assert!(traces.has_cgroup(), "no cgroup to see that it goes");
    (systemd, traces)
}

#[test]
#[ignore = "needs root and systemd"]
fn after_a_test() {
    let (systemd, traces) = boot_and_leave_traces();
    drop(systemd);
    assert_eq!(traces.processes(), 0);
    assert!(!traces.has_cgroup(), "its cgroup is left");
    assert_no_files();
}

#[test]
#[ignore = "needs root and systemd"]
fn after_a_panic() {
    let mut traces = None;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let (_systemd, its) = boot_and_leave_traces();
        traces = Some(its);
        panic!("as a failing test does");
    }));
    assert!(panicked.is_err(), "no panic");
    let traces = traces.expect("it booted");
    assert_eq!(traces.processes(), 0);
    assert!(!traces.has_cgroup(), "its cgroup is left");
    assert_no_files();
}
