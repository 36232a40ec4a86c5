//! What a user prepares, in a directory of his own, for the next start as root: links and other kinds of
//! files where the daemon expects its own.
#![cfg(linux_alone)] // Mount namespaces, and users of their own.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use daemon_runtime::Instance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::accounts::{ALICE, family, launch, launch_as};
use tests::{DEADLINE, Family, listing, until, with};

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
        (|target, link| symlink(target, link).and_then(|()| lchown(link, Some(ALICE), Some(ALICE))), "symbolic link"),
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
        until(&format!("{why} is said"), || said().contains(why).then_some(()));
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

/// Links of root's on the way are followed as the kernel follows them, at the start, on SIGHUP and by `Instance`.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn links_of_root_on_the_way() {
    for user in [None, Some("alice")] {
        let family = family();
        let (log, at) = (directory_of_alice(&family).join("log"), |path: &str| family.path(path));
        fs::create_dir(at("links")).expect("a directory");
        for (name, target) in [
            ("absolute", family.path("log").to_string_lossy().into_owned()),
            ("relative", "../log".into()),
            ("dots", ".././links/..//log/".into()),
            ("of-a-link", "relative/../links/dots/.".into()),
            ("root", "/".into()),
        ] {
            symlink(target, at("links").join(name)).expect("a link");
        }
        let root = at("links/root").join(family.directory().strip_prefix("/").expect("an absolute path"));
        let ways = ["absolute", "relative", "dots", "of-a-link"].map(|name| at("links").join(name));
        for way in ways.into_iter().chain([root.join("links/of-a-link"), root.join("links/../log")]) {
            let pid_file = way.join("pid");
            let launch = launch(&family, &[], READY).env("DAEMON_STDERR", way.join("log"));
            let launch = launch.env("DAEMON_REOPEN_ON_SIGHUP", "").env("DAEMON_PID_FILE", &pid_file);
            let launch = user.into_iter().fold(launch, |launch, user| launch.env("DAEMON_USER", user));
            launch.args(["notify", "pause"]).run().assert_code(0).assert_stderr("");
            fs::rename(&log, at("old")).expect("the log can be moved");
            Instance::at(&pid_file).reload().expect("it can be signalled");
            until(&format!("a new log by {}", way.display()), || log.exists().then_some(()));
            Instance::at(&pid_file).stop(DEADLINE).expect("it can be stopped");
            family.assert_nothing_left(&at("log/pid"));
        }
    }
}

/// As many as path_resolution(7) allows, and not one more.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: only Linux looks at a link and follows it in one")]
fn many_links_of_root_on_the_way() {
    let family = family();
    let directory = directory_of_alice(&family);
    symlink(&directory, family.path("1")).expect("a link");
    for number in 2..=41 {
        symlink((number - 1).to_string(), family.path(number.to_string())).expect("a link");
    }
    symlink("loop", family.path("loop")).expect("a link");
    let log = |first: &str| family.path(first).join("log");
    let launch = |first| with(launch(&family, &[], READY), &[("user", "alice")]).env("DAEMON_STDERR", log(first));
    for first in ["41", "loop"] {
        assert!(
            fs::metadata(log(first)).is_err_and(|error| error.kind() != io::ErrorKind::NotFound),
            "the kernel follows"
        );
        launch(first).run().assert_code(73).assert_one_line().assert_says(&["it is a symbolic link"]);
    }
    launch("40").run().assert_code(0);
}

/// Where root's link leads to when SIGHUP comes.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: only Linux looks at a link and follows it in one")]
fn link_of_root_that_leads_elsewhere_by_now() {
    for user in [None, Some("alice")] {
        let family = family();
        let days = ["monday", "tuesday"].map(|name| family.path(name));
        for day in &days {
            fs::create_dir(day).expect("a directory");
            chown(day, Some(ALICE), Some(ALICE)).expect("root may");
        }
        let today = family.path("today");
        symlink("monday", &today).expect("a link");
        let launch = launch(&family, &[], READY).env("DAEMON_STDERR", today.join("log"));
        let launch = user.into_iter().fold(launch, |launch, user| launch.env("DAEMON_USER", user));
        launch.env("DAEMON_REOPEN_ON_SIGHUP", "").run().assert_code(0);
        fs::remove_file(&today).expect("the link");
        symlink("tuesday", &today).expect("a link");
        kill(Pid::from_raw(family.daemon().pid), Signal::SIGHUP).expect("it lives");
        until("tuesday's log", || days[1].join("log").exists().then_some(()));
    }
}

/// Root of a user namespace is alice outside of it, and all users but her look alike in there. In a directory that all of them
/// can write to only her links are followed; in one of the outer root's, its own too.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: user namespaces")]
fn links_in_a_user_namespace() {
    const BOB: u32 = ALICE + 1;
    let who = ["--reuid", "4001", "--regid", "4001", "--clear-groups", "unshare", "--user", "--map-root-user"];
    let cases =
        [(0o1777, ALICE, true), (0o1777, BOB, false), (0o1777, 0, false), (0o755, ALICE, true), (0o755, 0, true)];
    for (mode, owner, followed) in cases {
        let family = family();
        let (directory, links) = (directory_of_alice(&family), family.path("links"));
        fs::create_dir(&links).expect("a directory");
        symlink(&directory, links.join("link")).expect("a link");
        lchown(links.join("link"), Some(owner), Some(owner)).expect("root may");
        fs::set_permissions(&links, fs::Permissions::from_mode(mode)).expect("its owner may");
        let launch = launch_as(&family, &who, READY).env("DAEMON_STDERR", links.join("link/log"));
        let end = launch.args(["notify", "pause"]).run();
        let case = format!("{mode:o}, owner {owner}: {end:?}");
        assert_eq!(end.status.code(), Some(if followed { 0 } else { 73 }), "{case}");
        assert_eq!(end.stderr.contains("a symbolic link on the way is not root's"), !followed, "{case}");
        assert_eq!(directory.join("log").exists(), followed, "{case}");
    }
}

/// Alice changes a directory of hers for a link, and back, all the time.
#[test]
#[ignore = "needs root"]
fn link_on_the_way_at_the_wrong_moment() {
    let family = family();
    let directory = directory_of_alice(&family);
    let [home, roots, real] = ["log/home", "roots", "log/real"].map(|name| family.path(name));
    for directory in [&home, &roots] {
        fs::create_dir(directory).expect("a directory");
    }
    for name in ["pid", "there"] {
        fs::write(roots.join(name), "root's").expect("a file");
    }
    let before = listing(&roots);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let link = directory.join("link");
            symlink(&roots, &link).expect("a link");
            lchown(&link, Some(ALICE), Some(ALICE)).expect("root may");
            while !done.load(Ordering::Relaxed) {
                for (from, to) in [(&home, &real), (&link, &home), (&home, &link), (&real, &home)] {
                    fs::rename(from, to).expect("a name in her directory");
                }
            }
        });
        let mut ends = Vec::new();
        for number in 0..100 {
            let launch = launch(&family, &[], READY).env("DAEMON_PID_FILE", home.join("pid"));
            let launch =
                launch.env("DAEMON_STDOUT", home.join(format!("log{number}"))).env("DAEMON_STDERR", home.join("there"));
            let launch = if number % 2 == 0 { launch } else { launch.env("DAEMON_USER", "alice") };
            ends.push(launch.args(["notify", "eprint=text", "exit=0"]).run());
            family.assert_gone();
        }
        done.store(true, Ordering::Relaxed);
        assert!(ends.iter().all(|end| [Some(0), Some(73)].contains(&end.status.code())), "{ends:#?}");
        assert!(ends.iter().any(|end| end.stderr.contains("symbolic link")), "it was never a link: {ends:#?}");
    });
    assert_eq!(listing(&roots), before, "root's directory");
}

/// At the end, too: the pid file's directory has become a link to one where a file of root's has its name.
#[test]
#[ignore = "needs root"]
fn link_on_the_way_at_the_end() {
    let family = family();
    let (directory, roots) = (directory_of_alice(&family), family.path("roots"));
    fs::create_dir(&roots).expect("a directory");
    let pid_file = directory.join("pid");
    launch(&family, &[], READY).env("DAEMON_PID_FILE", &pid_file).run().assert_code(0);
    let daemon = family.daemon();
    fs::write(roots.join("pid"), "root's").expect("a file");
    let moved = family.path("moved");
    fs::rename(&directory, &moved).expect("it can be moved");
    symlink(&roots, &directory).expect("a link");
    lchown(&directory, Some(ALICE), Some(ALICE)).expect("root may");
    let error = Instance::at(&pid_file).pid().expect_err("root does not follow her link");
    assert!(error.to_string().contains("a symbolic link on the way is not root's"), "{error}");
    kill(Pid::from_raw(daemon.pid), Signal::SIGTERM).expect("it lives");
    family.assert_gone();
    assert_eq!(state(&roots.join("pid")).0, "root's");
    assert_eq!(state(&moved.join("pid")).0, "", "its own file is emptied");
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
        let says = match option {
            "stdin" => "open stdin",
            "pid_file" => "lock pid file",
            _ => "open log",
        };
        refused(&family, option, &subdirectory, says);
        if option != "stdin" {
            refused(&family, option, &fifo, says);
        }
    }
}

/// Without a change of user nobody else's right is used, and links are useful: `/dev/stderr` is one.
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: /dev/stderr is a link of the kernel")]
fn links_without_a_change_of_user() {
    let family = Family::new();
    let (log, link) = (family.path("log"), family.path("link"));
    symlink(&log, &link).expect("a link in the directory");
    let launch = family.launch(READY).env("DAEMON_STDOUT", &link).env("DAEMON_STDERR", "/dev/stderr");
    let words = ["notify", "print=to the file", "eprint=to the terminal", "touch=end", "exit=0"];
    launch.args(words).run().assert_code(0).assert_stderr("to the terminal\n");
    assert_eq!(fs::read_to_string(&log).expect("a log"), "to the file\n");
}
