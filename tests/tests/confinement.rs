//! Less than a user has: another root directory, no new privileges, no core dumps; and what an ordinary user is told.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

#[cfg(target_arch = "x86_64")]
use nix::libc;
use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::accounts::{ALICE, AS_ALICE, Who, family, launch, launch_as_ordinary, with, within_reach};
#[cfg(target_arch = "x86_64")]
use tests::tracer::{Role, trace};
use tests::{Family, Proc, hostile, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const PLAIN: &str = env!("CARGO_BIN_EXE_plain");
const PREPARED: &str = env!("CARGO_BIN_EXE_prepared");
const STILL: &str = env!("CARGO_BIN_EXE_still");

// ---- Another root directory

/// A root directory with `run` and `var`, in which the family's folder has its path too, for marks.
fn new_root(family: &Family) -> PathBuf {
    let root = family.path("root");
    let marks = root.join(family.folder().strip_prefix("/").expect("an absolute path"));
    for folder in [&marks, &root.join("run"), &root.join("var")] {
        fs::create_dir_all(folder).expect("a folder in the folder");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("its owner may");
    }
    root
}

/// The process that reached `touch=name` inside `root`.
fn inside(family: &Family, root: &Path, name: &str) -> Proc {
    let mark = root.join(family.path(name).strip_prefix("/").expect("an absolute path"));
    let pid = until("a mark", || fs::read_link(&mark).ok()?.to_str()?.parse().ok());
    Proc::of(pid).expect("who made the mark lives")
}

/// Fails if a descriptor leads to a directory: from there everything outside could be reached.
#[track_caller]
fn assert_no_directory(proc: &Proc) {
    for fd in proc.fds.keys() {
        let leads_to = fs::metadata(format!("/proc/{}/fd/{fd}", proc.pid)).expect("an open descriptor");
        assert!(!leads_to.is_dir(), "{fd} of {proc:#?}");
    }
}

/// With everything: names that are only known outside, files outside and inside, at every moment of the start.
#[test]
#[ignore = "needs root"]
fn chroot_with_everything() {
    for (pid_file, log) in [("pid", "log"), ("root/run/pid", "root/run/log")] {
        for program in [READY, PREPARED] {
            let family = family();
            let root = new_root(&family);
            let [pid_file, log] = [pid_file, log].map(|name| family.path(name));
            fs::write(family.path("in"), "").expect("a file in the folder");
            let launch = with(launch(&family, &[], program), &[("user", "alice"), ("group", "web"), ("chdir", "/var")]);
            let launch = launch.env("DAEMON_CHROOT", &root).env("DAEMON_PID_FILE", &pid_file);
            let launch = launch.env("DAEMON_STDIN", family.path("in")).env("DAEMON_STDOUT", &log);
            let launch = launch.env("DAEMON_NO_NEW_PRIVILEGES", "").env("DAEMON_NO_CORE_DUMPS", "");
            let words = ["touch=before", "wait=go", "notify", "touch=body", "print=hello", "touch=end", "pause"];
            let running = launch.args(words).under(hostile::descriptors(20)).start();
            let before = inside(&family, &root, "before");
            assert_eq!((&before.root, &before.cwd), (&root, &root.join("var")));
            assert_no_directory(&before);
            symlink("x", root.join(family.path("go").strip_prefix("/").expect("an absolute path"))).expect("a mark");
            running.end().assert_code(0).assert_stderr("");

            let daemon = inside(&family, &root, "end");
            Who::new(ALICE, 4100, &[4100, 4101]).assert(&daemon);
            assert!(daemon.no_new_privileges);
            assert_eq!((&daemon.root, &daemon.cwd), (&root, &root.join("var")));
            let open = [family.path("in"), log.clone(), "/dev/null".into(), pid_file.clone()];
            assert_eq!(daemon.fds.values().cloned().collect::<Vec<_>>(), open);
            assert_eq!(fs::read_to_string(&log).expect("a log"), "hello\n");
            assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), format!("{}\n", daemon.pid));
            assert!(Family::is_locked(&pid_file));

            kill(Pid::from_raw(daemon.pid), Signal::SIGTERM).expect("it can be signalled");
            family.assert_gone();
            // What is outside cannot be removed from inside; empty, it hinders no start.
            match pid_file.starts_with(&root) {
                true => assert!(!pid_file.exists()),
                false => assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), ""),
            }
        }
    }
}

/// Root may leave a chroot that it has a descriptor or a working directory outside of; here it has none.
#[test]
#[ignore = "needs root"]
fn chroot_alone() {
    for program in [READY, PLAIN, PREPARED] {
        let family = family();
        let root = new_root(&family);
        let launch = launch(&family, &[], program).env("DAEMON_CHROOT", &root);
        launch.cwd("/etc").under(hostile::descriptors(20)).run().assert_code(0).assert_stderr("");
        let daemon = inside(&family, &root, "body");
        assert_eq!((&daemon.root, &daemon.cwd), (&root, &root));
        assert_eq!(daemon.fds.into_values().collect::<Vec<_>>(), ["/dev/null"; 3].map(PathBuf::from));
    }
}

/// `chdir` is a path inside: links and `..` do not lead out.
#[test]
#[ignore = "needs root"]
fn chdir_stays_inside() {
    for (chdir, target, leads_to) in [("/link", "/var", "var"), ("/link", "../../../../var", "var"), ("/../..", "", "")]
    {
        let family = family();
        let root = new_root(&family);
        if !target.is_empty() {
            symlink(target, root.join("link")).expect("a link in the folder");
        }
        with(launch(&family, &[], READY).env("DAEMON_CHROOT", &root), &[("chdir", chdir)]).run().assert_code(0);
        assert_eq!(inside(&family, &root, "body").cwd, root.join(leads_to));
    }
}

#[test]
#[ignore = "needs root"]
fn chroot_that_cannot_be() {
    let no_chroot = ["setpriv", "--bounding-set", "-sys_chroot"];
    for (before, chroot, chdir, code, says) in [
        (&[][..], "missing", "/", 71, "missing"),
        (&[], "passwd", "/", 71, "passwd"),
        (&[], "root", "/missing", 71, "/missing"),
        // It is there, but outside.
        (&[], "root", "/etc/ssl", 71, "/etc/ssl"),
        (&no_chroot, "root", "/", 77, "root directory"),
    ] {
        let family = family();
        new_root(&family);
        let pid_file = family.path("pid");
        let launch = with(launch(&family, before, READY), &[("chdir", chdir), ("user", "alice")]);
        let launch = launch.env("DAEMON_CHROOT", family.path(chroot)).env("DAEMON_PID_FILE", &pid_file);
        launch.run().assert_code(code).assert_one_line().assert_says(&[says]);
        family.assert_nothing_left(&pid_file);
    }
}

// ---- No new privileges, no core dumps

fn named(family: &Family, name: &str) -> Proc {
    until(&format!("a process {name}"), || {
        family.members().into_iter().filter_map(Proc::of).find(|proc| proc.name == name)
    })
}

/// A set-user-ID program makes alice root, unless that is forbidden.
#[test]
#[ignore = "needs root"]
fn no_new_privileges() {
    for forbidden in [false, true] {
        let family = family();
        let still = family.path("still");
        // Not copied by this process, whose children could still have it open to write when it is executed.
        family.launch("cp").arg(STILL).arg(&still).run().assert_code(0);
        fs::set_permissions(&still, fs::Permissions::from_mode(0o4755)).expect("its owner may");
        let launch = with(launch(&family, &[], READY), &[("user", "alice")]);
        let launch = if forbidden { launch.env("DAEMON_NO_NEW_PRIVILEGES", "") } else { launch };
        launch.args(["notify", &format!("exec={}", still.display())]).run().assert_code(0);
        let still = named(&family, "still");
        assert_eq!(still.no_new_privileges, forbidden);
        let effective = if forbidden { ALICE } else { 0 };
        assert_eq!(still.uids, [ALICE, effective, effective, effective]);
    }
}

/// An ordinary user may ask for it too.
#[test]
fn no_new_privileges_for_anybody() {
    let family = family();
    with(launch_as_ordinary(&family, READY), &[("no_new_privileges", "")]).run().assert_code(0);
    assert!(family.daemon().no_new_privileges);
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
#[ignore = "needs root"]
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
#[ignore = "needs root"]
#[cfg(target_arch = "x86_64")]
fn no_core_dumps_after_the_change_of_user() {
    let family = family();
    let launch =
        with(launch(&family, &[], READY), &[("user", "alice"), ("no_core_dumps", "")]).args(["notify", "mark"]);
    let mut limits = String::new();
    let record = trace(launch, |_| None, |record| limits = core_limits(record.pids[&Role::Daemon]));
    assert_eq!(limits, "0 0");
    let calls: Vec<_> = record.of(Role::Daemon).filter(|call| call.result == Some(0)).collect();
    let changes = [libc::SYS_setresuid, libc::SYS_setresgid, libc::SYS_capset];
    let last_change = calls.iter().rposition(|call| changes.contains(&call.number)).expect("a change of ids");
    let [dumpable, no] = [libc::PR_SET_DUMPABLE as u64, 0];
    let set = calls.iter().rposition(|call| call.number == libc::SYS_prctl && call.arguments[..2] == [dumpable, no]);
    assert!(set > Some(last_change), "{calls:#?}");
}

// ---- What an ordinary user may not have

/// Said at the terminal, before anything is forked.
#[test]
#[ignore = "needs root"]
#[cfg(target_arch = "x86_64")]
fn asked_for_by_an_ordinary_user() {
    // FORBIDDEN is a folder of root's alone.
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
        for program in [READY, PREPARED] {
            let family = family();
            let forbidden = family.path("forbidden");
            fs::create_dir(&forbidden).expect("a folder in the folder");
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
            assert_eq!(fs::read_dir(&forbidden).expect("a folder").count(), 0);
        }
    }
}

/// All capabilities that are needed, without being root: what is proven afterwards would not hold.
#[test]
#[ignore = "needs root"]
fn asked_for_by_an_ordinary_user_with_capabilities() {
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
fn root_of_a_user_namespace() {
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
