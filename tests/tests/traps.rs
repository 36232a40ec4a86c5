//! What a user prepares, in a directory of his own, for the next start as root; and what root leaves to the user.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::accounts::{ALICE, AS_ALICE, Who, family, launch, with, within_reach};
use tests::{Family, Proc, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const PREPARED: &str = env!("CARGO_BIN_EXE_prepared");
const STILL: &str = env!("CARGO_BIN_EXE_still");

/// A folder of alice's, as a daemon has one for its logs.
fn folder_of_alice(family: &Family) -> PathBuf {
    let folder = family.path("log");
    fs::create_dir(&folder).expect("a folder in the folder");
    chown(&folder, Some(ALICE), Some(ALICE)).expect("root may");
    folder
}

/// A file of root's that is no other user's business.
fn secret(family: &Family) -> PathBuf {
    let secret = family.path("secret");
    fs::write(&secret, "top secret").expect("a file in the folder");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("its owner may");
    secret
}

/// The content, owner and mode of a file.
fn state(path: &Path) -> (String, u32, u32, u32) {
    let of = fs::metadata(path).expect("a file");
    (fs::read_to_string(path).expect("a text"), of.uid(), of.gid(), of.mode())
}

/// Options that name a file, who must not be led astray by it, and what is said.
const FILES: [&str; 4] = ["stdin", "stdout", "stderr", "pid_file"];

/// Starts it as alice with `option` naming `path`: that is refused before anything is forked, and not followed.
#[track_caller]
fn refused(family: &Family, option: &str, path: &Path, says: &str) {
    for program in [READY, PREPARED] {
        for who in [&[("user", "alice")][..], &[("user", "alice"), ("group", "web")], &[("group", "web")]] {
            let launch = with(with(launch(family, &[], program), who), &[(option, &path.to_string_lossy())]);
            launch.run().assert_code(73).assert_one_line().assert_says(&[&path.to_string_lossy(), says]);
            family.assert_gone();
        }
    }
}

#[test]
#[ignore = "needs root"]
fn symbolic_links() {
    for option in FILES {
        let family = family();
        let (folder, secret, new) = (folder_of_alice(&family), secret(&family), family.path("new"));
        let before = state(&secret);
        let trap = folder.join("trap");
        for target in [&secret, &new] {
            symlink(target, &trap).expect("a link in the folder");
            refused(&family, option, &trap, "symbolic link");
            assert_eq!(fs::read_link(&trap).expect("the link"), *target);
            assert_eq!(state(&secret), before);
            assert!(!new.exists());
            fs::remove_file(&trap).expect("the link");
        }
    }
}

/// The same when the log is opened anew, by a daemon that still is root.
#[test]
#[ignore = "needs root"]
fn links_for_a_log_that_is_opened_anew() {
    type Link = fn(&Path, &Path) -> io::Result<()>;
    let links: [(Link, &str); 2] = [
        (|target, link| symlink(target, link), "symbolic link"),
        (|target, link| fs::hard_link(target, link), "Too many links"),
    ];
    for (link, why) in links {
        let family = family();
        let (folder, secret) = (folder_of_alice(&family), secret(&family));
        let before = state(&secret);
        let [log, old] = ["log", "log.1"].map(|name| folder.join(name));
        let launch = with(launch(&family, &[], READY), &[("group", "web"), ("reopen_on_sighup", "")]);
        let words = ["notify", "touch=body", "wait=go", "eprint=late", "touch=end", "pause"];
        launch.env("DAEMON_STDERR", &log).args(words).run().assert_code(0);
        fs::rename(&log, &old).expect("the log can be moved");
        link(&secret, &log).expect("a link in the folder");
        let daemon = family.daemon();
        kill(Pid::from_raw(daemon.pid), Signal::SIGHUP).expect("it lives");
        let said = || fs::read_to_string(&old).expect("the old log");
        until("the complaint", || said().contains(why).then_some(()));
        fs::write(family.path("go"), "").expect("a mark");
        family.at("end");
        assert!(said().ends_with("; the old file stays in use\nlate\n"), "{}", said());
        assert_eq!(state(&secret), before);
        // And the next time there is no trap.
        fs::remove_file(&log).expect("the link");
        kill(Pid::from_raw(daemon.pid), Signal::SIGHUP).expect("it lives");
        until("a new log", || log.exists().then_some(()));
    }
}

/// Where the kernel lets her: fs.protected_hardlinks, proc_sys_fs(5).
#[test]
#[ignore = "needs root"]
fn hard_links() {
    for option in FILES {
        let family = family();
        let (folder, secret) = (folder_of_alice(&family), secret(&family));
        let before = state(&secret);
        let trap = folder.join("trap");
        fs::hard_link(&secret, &trap).expect("a link in the folder");
        refused(&family, option, &trap, "several names");
        assert_eq!(state(&secret), before);
    }
}

/// A FIFO must not hang the start, nor a directory be given to the daemon as a way out of a chroot.
#[test]
#[ignore = "needs root"]
fn other_kinds_of_files() {
    for option in FILES {
        let family = family();
        let folder = folder_of_alice(&family);
        let [directory, fifo] = ["directory", "fifo"].map(|name| folder.join(name));
        fs::create_dir(&directory).expect("a folder in the folder");
        family.launch("mkfifo").arg(&fifo).run().assert_code(0);
        refused(&family, option, &directory, option.strip_suffix("_file").unwrap_or(option));
        if option != "stdin" {
            refused(&family, option, &fifo, option.strip_suffix("_file").unwrap_or(option));
        }
    }
}

/// Without a change of user nobody else's right is used, and links are useful: `/dev/stderr` is one.
#[test]
fn links_without_a_change_of_user() {
    let family = Family::new();
    let (log, link) = (family.path("log"), family.path("link"));
    symlink(&log, &link).expect("a link in the folder");
    let launch = family.launch(READY).env("DAEMON_STDOUT", &link).env("DAEMON_STDERR", "/dev/stderr");
    let words = ["notify", "print=to the file", "eprint=to the terminal", "touch=end", "exit=0"];
    launch.args(words).run().assert_code(0).assert_stderr("to the terminal\n");
    assert_eq!(fs::read_to_string(&log).expect("a log"), "to the file\n");
}

/// The session keyring of root's login, keyrings(7): who possesses it may use the keys, whoever he is.
#[test]
#[ignore = "needs root, and keyctl of keyutils"]
fn keys_of_roots_session() {
    const LOOK: &str =
        "#!/bin/sh\nkeyctl search @s user daemon-test-key; keyctl show @s; touch \"$DAEMON_TEST_FAMILY/end\"\n";
    for (who, finds) in [(&[][..], true), (&[("user", "alice")], false)] {
        let family = family();
        let script = family.path("look");
        // Not written by this process, whose children could still have it open when it is executed.
        let write = "printf %s \"$0\" > \"$1\" && chmod 755 \"$1\"";
        family.shell(write, [LOOK.as_ref(), script.as_os_str()]).run().assert_code(0);
        let out = family.path("out");
        let in_session = "keyctl add user daemon-test-key secret @s >/dev/null && exec \"$0\" \"$@\"";
        let launch = launch(&family, &["keyctl", "session", "-", "sh", "-c", in_session], READY);
        let launch = with(launch, who).env("DAEMON_STDOUT", &out);
        launch.args(["notify", &format!("exec={}", script.display())]).run().assert_code(0);
        until("the script's end", || family.path("end").exists().then_some(()));
        let found = fs::read_to_string(&out).expect("a log");
        assert_eq!(found.contains("daemon-test-key"), finds, "{found}");
        assert!(found.contains("Keyring"), "{found}");
    }
}

/// The daemon holds what root has had in memory: other processes of that user must not look at it. Seen by `environ`,
/// which is in there too: `mem` may be closed to all, ptrace(2), "ptrace_scope".
#[test]
#[ignore = "needs root"]
fn memory_of_the_daemon() {
    let family = family();
    with(launch(&family, &[], READY), &[("user", "alice")]).run().assert_code(0);
    let daemon = family.daemon();
    Who::alice().assert(&daemon);
    let read = |pid| {
        let environ = format!("/proc/{pid}/environ");
        family.launch("setpriv").args(AS_ALICE).args(["cat", &environ]).run()
    };
    read(daemon.pid).assert_code(1).assert_says(&["Permission denied"]);
    // The control: alice's own.
    let (still, condition) = within_reach(&family, STILL);
    let own = family.launch("setpriv").args(AS_ALICE).arg(still).under(condition).start();
    let own = until("a process of alice's", || Proc::of(own.pid()).filter(|proc| proc.name == "still"));
    read(own.pid).assert_code(0);
}
