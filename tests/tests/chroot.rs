//! `chroot`: another root directory.
#![cfg(linux_alone)] // /proc shows the root directory.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::accounts::{ALICE, Who, family, launch};
use tests::{Family, Proc, hostile, until, with};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WITHOUT_READY: &str = env!("CARGO_BIN_EXE_without_ready");
const OPENS_IN_SETUP: &str = env!("CARGO_BIN_EXE_opens_in_setup");

/// A root directory with `run` and `var`, in which the family's directory has its path too, for marks.
fn new_root(family: &Family) -> PathBuf {
    let root = family.path("root");
    let marks = root.join(family.directory().strip_prefix("/").expect("an absolute path"));
    for directory in [&marks, &root.join("run"), &root.join("var")] {
        fs::create_dir_all(directory).expect("a subdirectory");
        fs::set_permissions(directory, fs::Permissions::from_mode(0o777)).expect("its owner may");
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
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: no_new_privileges is not to be had elsewhere")]
fn chroot_with_everything() {
    for (pid_file, log) in [("pid", "log"), ("root/run/pid", "root/run/log")] {
        for program in [READY, OPENS_IN_SETUP] {
            let family = family();
            let root = new_root(&family);
            let [pid_file, log] = [pid_file, log].map(|name| family.path(name));
            fs::write(family.path("in"), "").expect("a file in the directory");
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
            assert!(daemon.no_new_privileges, "it can gain privileges");
            assert_eq!((&daemon.root, &daemon.cwd), (&root, &root.join("var")));
            let open = [family.path("in"), log.clone(), "/dev/null".into(), pid_file.clone()];
            assert_eq!(daemon.fds.values().cloned().collect::<Vec<_>>(), open);
            assert_eq!(fs::read_to_string(&log).expect("a log"), "hello\n");
            assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), format!("{}\n", daemon.pid));
            assert!(Family::is_locked(&pid_file), "nobody holds the pid file");

            kill(Pid::from_raw(daemon.pid), Signal::SIGTERM).expect("it can be signalled");
            family.assert_gone();
            // What is outside cannot be removed from inside; empty, it hinders no start.
            match pid_file.starts_with(&root) {
                true => assert!(!pid_file.exists(), "the pid file inside is left"),
                false => assert_eq!(fs::read_to_string(&pid_file).expect("a pid file"), ""),
            }
        }
    }
}

/// Root may leave a chroot that it has a descriptor or a working directory outside of; here it has none.
#[test]
#[ignore = "needs root"]
fn chroot_alone() {
    for program in [READY, WITHOUT_READY, OPENS_IN_SETUP] {
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
fn chdir_stays_inside_of_the_new_root() {
    for (chdir, target, leads_to) in [("/link", "/var", "var"), ("/link", "../../../../var", "var"), ("/../..", "", "")]
    {
        let family = family();
        let root = new_root(&family);
        if !target.is_empty() {
            symlink(target, root.join("link")).expect("a link in the directory");
        }
        with(launch(&family, &[], READY).env("DAEMON_CHROOT", &root), &[("chdir", chdir)]).run().assert_code(0);
        assert_eq!(inside(&family, &root, "body").cwd, root.join(leads_to));
    }
}

#[test]
#[ignore = "needs root"]
fn chroot_fails() {
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
