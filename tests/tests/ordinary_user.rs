//! What an ordinary user may not have, and root of a user namespace neither.
#![cfg(linux_alone)] // User namespaces.

#[cfg(target_arch = "x86_64")]
use std::fs;
#[cfg(target_arch = "x86_64")]
use std::os::unix::fs::PermissionsExt;

use tests::accounts::launch_as_ordinary;
use tests::accounts::{AS_ALICE, family, within_reach};
#[cfg(target_arch = "x86_64")]
use tests::tracer::{Role, trace};
use tests::{Family, Proc, with};

const READY: &str = env!("CARGO_BIN_EXE_ready");
#[cfg(target_arch = "x86_64")]
const OPENS_IN_SETUP: &str = env!("CARGO_BIN_EXE_opens_in_setup");

/// Said at the terminal, before anything is forked.
#[test]
#[ignore = "needs root"]
#[cfg(target_arch = "x86_64")]
fn ordinary_user_is_refused_before_the_fork() {
    // FORBIDDEN is a directory of root's alone.
    for (options, code, says) in [
        (&[("user", "root")][..], 77, "root"),
        (&[("user", "0")], 77, "root"),
        (&[("user", "9001"), ("group", "9002")], 77, "root"),
        (&[("group", "root")], 77, "root"),
        (&[("chroot", "/")], 77, "root"),
        (&[("chroot", "/tmp"), ("user", "root")], 77, "root"),
        (&[("chdir", "FORBIDDEN")], 77, "directory"),
        (&[("stdin", "FORBIDDEN/file")], 73, "stdin"),
        (&[("stdout", "FORBIDDEN/file")], 73, "log"),
        (&[("stderr", "FORBIDDEN/file")], 73, "log"),
        (&[("pid_file", "FORBIDDEN/file")], 73, "pid file"),
    ] {
        for program in [READY, OPENS_IN_SETUP] {
            let family = family();
            let forbidden = family.path("forbidden");
            fs::create_dir(&forbidden).expect("a subdirectory");
            fs::set_permissions(&forbidden, fs::Permissions::from_mode(0o700)).expect("its owner may");
            let launch = options.iter().fold(launch_as_ordinary(&family, program), |launch, (name, value)| {
                let value = value.replace("FORBIDDEN", &forbidden.to_string_lossy());
                with(launch, &[(name, &value)])
            });
            let record = trace(launch, |_| None, |_| ());
            assert_eq!(record.code(), Some(code), "{options:?}: {record:#?}");
            assert_eq!(record.pids.keys().collect::<Vec<_>>(), [&Role::Launcher], "{options:?}: forked");
            assert_eq!(record.stderr.lines().count(), 1, "{options:?}: {}", record.stderr);
            assert!(record.stderr.contains(says), "{options:?}: {}", record.stderr);
            assert_eq!(fs::read_dir(&forbidden).expect("a directory").count(), 0);
        }
    }
}

/// Who already is that user, and has no group beyond, need not be root.
#[test]
#[ignore = "needs root"]
fn is_already_that_user() {
    for options in [&[("user", "4001"), ("group", "4001")][..], &[("group", "4001")]] {
        let family = family();
        with(launch_as_ordinary(&family, READY), options).args(["notify", "touch=body", "pause"]).run().assert_code(0);
        assert_eq!(family.daemon().uids, [4001; 4], "{options:?}");
    }
}

/// The capabilities that are needed do, without being root, and are gone afterwards.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn ordinary_user_with_capabilities() {
    let capabilities = "+setuid,+setgid,+sys_chroot";
    let family = family();
    let (program, condition) = within_reach(&family, READY);
    let launch = family.launch("setpriv").args(AS_ALICE);
    let launch =
        launch.args(["--inh-caps", capabilities, "--ambient-caps", capabilities]).arg(program).under(condition);
    let launch = with(launch, &[("user", "9001"), ("group", "9002")]);
    launch.args(["notify", "touch=body", "pause"]).run().assert_code(0);
    let daemon = family.daemon();
    assert_eq!((daemon.uids, daemon.gids), ([9001; 4], [9002; 4]));
    assert_eq!(Proc::status(daemon.pid).expect("it runs")["CapPrm"], "0000000000000000", "capabilities are left");
}

/// The same for another root directory.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn ordinary_user_with_the_capability_for_chroot() {
    let family = family();
    let (program, condition) = within_reach(&family, READY);
    let launch = family.launch("setpriv").args(AS_ALICE).args(["--inh-caps", "+sys_chroot"]);
    let launch = launch.args(["--ambient-caps", "+sys_chroot"]).arg(program).under(condition);
    with(launch, &[("chroot", "/tmp")]).args(["notify", "exit=0"]).run().assert_code(0);
}

/// As in a container that drops capabilities: it is said before anything is forked.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: it has capabilities")]
fn root_without_capabilities() {
    for (options, what) in [
        (&[("chroot", "/tmp")][..], "change the root directory"),
        (&[("user", "9001"), ("group", "9002")], "change the user or the group"),
    ] {
        let family = family();
        let launch = family.launch("setpriv").args(["--bounding-set", "-all", "--inh-caps", "-all", READY]);
        let end = with(launch, options).run();
        end.assert_code(77).assert_one_line().assert_says(&[what, "this root lacks the capability"]);
        family.assert_gone();
    }
}

// ---- User namespaces

/// Root of a user namespace, where groups cannot be set: those that are right already are not set again, and ids that the
/// namespace does not know are said to be that.
#[test]
#[ignore = "needs root"]
fn root_of_a_user_namespace() {
    let launch_in = |family: &Family, options: &[(&str, &str)]| {
        let launch = family.launch("unshare").args(["--user", "--map-root-user", READY]);
        with(launch, options).args(["notify", "touch=body", "pause"]).run()
    };
    for options in [&[("user", "root")][..], &[("group", "0")]] {
        let family = family();
        launch_in(&family, options).assert_code(0);
    }
    let family = family();
    let end = launch_in(&family, &[("user", "9001"), ("group", "9002")]);
    end.assert_code(71).assert_one_line().assert_says(&["it does not exist in this user namespace"]);
    family.assert_gone();
}
