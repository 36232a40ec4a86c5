//! What a user prepares, in a directory of his own, for the next start as root: links and other kinds of
//! files where the daemon expects its own.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::accounts::{ALICE, family, launch, with};
use tests::{Family, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const OPENS_IN_SETUP: &str = env!("CARGO_BIN_EXE_opens_in_setup");

/// A directory of alice's, as a daemon has one for its logs.
fn directory_of_alice(family: &Family) -> PathBuf {
    let directory = family.path("log");
    fs::create_dir(&directory).expect("a subdirectory");
    chown(&directory, Some(ALICE), Some(ALICE)).expect("root may");
    directory
}

/// A file of root's that is no other user's business.
fn secret(family: &Family) -> PathBuf {
    let secret = family.path("secret");
    fs::write(&secret, "top secret").expect("a file in the directory");
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
    for program in [READY, OPENS_IN_SETUP] {
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
        let (directory, secret, new) = (directory_of_alice(&family), secret(&family), family.path("new"));
        let before = state(&secret);
        let trap = directory.join("trap");
        for target in [&secret, &new] {
            symlink(target, &trap).expect("a link in the directory");
            refused(&family, option, &trap, "symbolic link");
            assert_eq!(fs::read_link(&trap).expect("the link"), *target);
            assert_eq!(state(&secret), before);
            assert!(!new.exists(), "the link was followed");
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
        (|target, link| fs::hard_link(target, link), "several names"),
    ];
    for (link, why) in links {
        let family = family();
        let (directory, secret) = (directory_of_alice(&family), secret(&family));
        let before = state(&secret);
        let [log, old] = ["log", "log.1"].map(|name| directory.join(name));
        let launch = with(launch(&family, &[], READY), &[("group", "web"), ("reopen_on_sighup", "")]);
        let words = ["notify", "touch=body", "wait=go", "eprint=late", "touch=end", "pause"];
        launch.env("DAEMON_STDERR", &log).args(words).run().assert_code(0);
        fs::rename(&log, &old).expect("the log can be moved");
        link(&secret, &log).expect("a link in the directory");
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
        let (directory, secret) = (directory_of_alice(&family), secret(&family));
        let before = state(&secret);
        let trap = directory.join("trap");
        fs::hard_link(&secret, &trap).expect("a link in the directory");
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
        let directory = directory_of_alice(&family);
        let [subdirectory, fifo] = ["directory", "fifo"].map(|name| directory.join(name));
        fs::create_dir(&subdirectory).expect("a subdirectory");
        family.launch("mkfifo").arg(&fifo).run().assert_code(0);
        refused(&family, option, &subdirectory, option.strip_suffix("_file").unwrap_or(option));
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
    symlink(&log, &link).expect("a link in the directory");
    let launch = family.launch(READY).env("DAEMON_STDOUT", &link).env("DAEMON_STDERR", "/dev/stderr");
    let words = ["notify", "print=to the file", "eprint=to the terminal", "touch=end", "exit=0"];
    launch.args(words).run().assert_code(0).assert_stderr("to the terminal\n");
    assert_eq!(fs::read_to_string(&log).expect("a log"), "to the file\n");
}
