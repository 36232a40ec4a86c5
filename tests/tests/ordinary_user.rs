//! What an ordinary user may not have, and root of a user namespace neither.

use std::fs;
use std::os::unix::fs::PermissionsExt;

#[cfg(target_arch = "x86_64")]
use tests::accounts::launch_as_ordinary;
use tests::accounts::{AS_ALICE, family, with, within_reach};
#[cfg(target_arch = "x86_64")]
use tests::tracer::{Role, trace};

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
        // Not even what one is already: the groups would have to go.
        (&[("user", "4001"), ("group", "4001")], 77, "root"),
        (&[("group", "root")], 77, "root"),
        (&[("group", "4001")], 77, "root"),
        (&[("chroot", "/")], 77, "root"),
        (&[("chroot", "/tmp"), ("user", "root")], 77, "root"),
        (&[("chdir", "FORBIDDEN")], 77, "directory"),
        (&[("stdin", "FORBIDDEN/file")], 73, "stdin"),
        (&[("stdout", "FORBIDDEN/file")], 73, "stdout"),
        (&[("stderr", "FORBIDDEN/file")], 73, "stderr"),
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

/// All capabilities that are needed, without being root: what is proven afterwards would not hold.
#[test]
#[ignore = "needs root"]
fn ordinary_user_with_capabilities_is_refused() {
    let capabilities = "+setuid,+setgid,+sys_chroot";
    let family = family();
    let (program, condition) = within_reach(&family, READY);
    let launch = family.launch("setpriv").args(AS_ALICE);
    let launch =
        launch.args(["--inh-caps", capabilities, "--ambient-caps", capabilities]).arg(program).under(condition);
    with(launch, &[("user", "root")]).run().assert_code(77).assert_one_line();
    family.assert_gone();
}

// ---- User namespaces

/// Root of a user namespace, where groups cannot be set.
#[test]
#[ignore = "needs root"]
fn root_of_a_user_namespace_is_refused() {
    for (options, file_code) in [
        (&[("user", "root")][..], 77),
        (&[("group", "0")], 77),
        // The file cannot belong to somebody whom the namespace does not know.
        (&[("user", "9001"), ("group", "9002")], 73),
    ] {
        let family = family();
        let launch = || with(family.launch("unshare").args(["--user", "--map-root-user", READY]), options);
        launch().run().assert_code(77).assert_one_line().assert_says(&["groups"]);
        let pid_file = family.path("pid");
        launch().env("DAEMON_PID_FILE", &pid_file).run().assert_code(file_code).assert_one_line();
        family.assert_nothing_left(&pid_file);
    }
}
