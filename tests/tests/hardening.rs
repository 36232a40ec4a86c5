//! `no_new_privileges` and `no_core_dumps`.
#![cfg(linux_alone)] // What prctl(2) forbids.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[cfg(target_arch = "x86_64")]
use nix::libc;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use tests::accounts::{ALICE, family, launch, launch_as_ordinary};
#[cfg(target_arch = "x86_64")]
use tests::tracer::{Role, trace};
use tests::{Proc, with};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const PAUSING: &str = env!("CARGO_BIN_EXE_pausing");

/// A set-user-ID program makes alice root, unless that is forbidden.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: no_new_privileges is not to be had elsewhere")]
fn no_new_privileges() {
    for forbidden in [false, true] {
        let family = family();
        let pausing = family.path("pausing");
        // Not copied by this process, whose children could still have it open to write when it is executed.
        family.launch("cp").arg(PAUSING).arg(&pausing).run().assert_code(0);
        fs::set_permissions(&pausing, fs::Permissions::from_mode(0o4755)).expect("its owner may");
        let launch = with(launch(&family, &[], READY), &[("user", "alice")]);
        let launch = if forbidden { launch.env("DAEMON_NO_NEW_PRIVILEGES", "") } else { launch };
        launch.args(["notify", &format!("exec={}", pausing.display())]).run().assert_code(0);
        let pausing = family.named("pausing");
        assert_eq!(pausing.no_new_privileges, forbidden);
        let effective = if forbidden { ALICE } else { 0 };
        assert_eq!(pausing.uids, [ALICE, effective, effective, effective]);
    }
}

/// An ordinary user may ask for it too.
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: no_new_privileges is not to be had elsewhere")]
fn ordinary_user_may_ask_for_no_new_privileges() {
    let family = family();
    with(launch_as_ordinary(&family, READY), &[("no_new_privileges", "")]).run().assert_code(0);
    assert!(family.daemon().no_new_privileges, "it can gain privileges");
}

/// The soft and the hard limit of the core file's size.
fn core_limits(pid: i32) -> String {
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits of a process that lives");
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).expect("the line");
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// What is in /proc of a process that is not dumpable belongs to root: proc(5).
fn is_dumpable(daemon: &Proc) -> bool {
    let owner = fs::metadata(format!("/proc/{}/limits", daemon.pid)).expect("a process that lives").uid();
    owner == daemon.uids[1]
}

/// As alice, whose processes are dumpable at first.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: PR_SET_DUMPABLE")]
fn no_core_dumps() {
    for forbidden in [false, true] {
        let family = family();
        // Whatever limit the tests themselves have.
        let unlimited = || Ok(setrlimit(Resource::RLIMIT_CORE, 0, RLIM_INFINITY)?);
        let launch = launch_as_ordinary(&family, READY).under(Box::new(unlimited));
        let launch = if forbidden { launch.env("DAEMON_NO_CORE_DUMPS", "") } else { launch };
        launch.run().assert_code(0);
        let daemon = family.daemon();
        assert_eq!(is_dumpable(&daemon), !forbidden);
        assert_eq!(core_limits(daemon.pid) == "0 0", forbidden);
    }
}

/// After the last change of ids, which would undo it where the system dumps set-user-ID programs.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: PR_SET_DUMPABLE")]
#[cfg(target_arch = "x86_64")]
fn no_core_dumps_after_the_change_of_user() {
    let family = family();
    let launch =
        with(launch(&family, &[], READY), &[("user", "alice"), ("no_core_dumps", "")]).args(["notify", "mark"]);
    let mut limits = String::new();
    let record = trace(launch, |_| None, |record| limits = core_limits(record.pids[&Role::Daemon]));
    assert_eq!(limits, "0 0");
    let calls: Vec<_> = record.of(Role::Daemon).filter(|call| call.result == Some(0)).collect();
    let changes = [libc::SYS_setuid, libc::SYS_setgid, libc::SYS_setreuid, libc::SYS_setregid, libc::SYS_capset];
    let last_change = calls.iter().rposition(|call| changes.contains(&call.number)).expect("a change of ids");
    let [dumpable, no] = [libc::PR_SET_DUMPABLE as u64, 0];
    let set = calls.iter().rposition(|call| call.number == libc::SYS_prctl && call.arguments[..2] == [dumpable, no]);
    assert!(set > Some(last_change), "{calls:#?}");
}
