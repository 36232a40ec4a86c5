//! Directories that a start creates: those of the pid file and the logs.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::Path;

use daemon_runtime::Instance;
use nix::unistd::geteuid;
#[cfg(linux_alone)]
use tests::accounts::{ALICE, family, launch, launch_as_ordinary};
use tests::{DEADLINE, Family, Launch, hostile, with};

const BY_METHODS: &str = env!("CARGO_BIN_EXE_by_methods");

/// Mode, user and group.
fn of(path: &Path) -> (u32, u32, u32) {
    let it = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (it.permissions().mode() & 0o7777, it.uid(), it.gid())
}

/// With files in directories that are not there, by paths from the family's directory.
fn creates<'a>(launch: Launch<'a>, options: &[(&str, &str)]) -> Launch<'a> {
    let family = launch.family();
    with(launch.env("DAEMON_CREATE_DIRECTORIES", "").cwd(family.directory()), options)
}

/// Stops the daemon, which then has removed its pid file.
fn stop(family: &Family, pid_file: &str) {
    Instance::at(family.path(pid_file)).stop(DEADLINE).expect("it runs");
    family.assert_gone();
}

/// Whatever the mask, and by relative paths too.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn mode_and_paths() {
    for umask in [0, 0o022, 0o077, 0o777] {
        let family = if geteuid().is_root() { family() } else { Family::new() };
        let log = family.path("var/log/app/app.log");
        let options = [("pid_file", "run/app/app.pid"), ("stdout", "./log/../other/out"), ("umask", "0o077")];
        let launch = creates(launch_as_ordinary(&family, BY_METHODS), &options).env("DAEMON_STDERR", &log);
        launch.under(hostile::umask(umask)).run().assert_code(0).assert_stderr("");
        for directory in ["run", "run/app", "var", "var/log", "var/log/app", "log", "other"] {
            assert_eq!(of(&family.path(directory)).0, 0o755, "{directory}, with mask {umask:o}");
        }
        assert!(Family::is_locked(&family.path("run/app/app.pid")));
        stop(&family, "run/app/app.pid");
        assert!(!family.path("run/app/app.pid").exists(), "the pid file is left");
    }
}

/// Not without the option, whose absence the message is about.
#[test]
fn not_without_the_option() {
    for (option, name) in [("pid_file", "lock pid file"), ("stdout", "open log"), ("stderr", "open log")] {
        let family = Family::new();
        let path = family.path("missing/app").display().to_string();
        let end = with(family.launch(BY_METHODS), &[(option, &path)]).run();
        end.assert_code(73)
            .assert_stderr(&format!("by_methods: cannot {name} {path}: its directory does not exist; create it\n"));
        assert!(!family.path("missing").exists());
    }
}

/// What exists is left as it is, a link of its own too.
#[test]
fn what_exists_is_left() {
    let family = Family::new();
    let at = |path: &str| family.path(path);
    fs::create_dir_all(at("real/there")).expect("a directory");
    symlink("real", at("link")).expect("a link");
    for path in ["real", "real/there"] {
        fs::set_permissions(at(path), fs::Permissions::from_mode(0o700)).expect("its owner may");
    }
    let options = [("pid_file", "link/there/new/pid"), ("stderr", "link/log")];
    creates(family.launch(BY_METHODS), &options).run().assert_code(0);
    assert_eq!([of(&at("real")).0, of(&at("real/there")).0, of(&at("real/there/new")).0], [0o700, 0o700, 0o755]);
    assert!(at("link").is_symlink() && at("real/log").exists());
    stop(&family, "link/there/new/pid");
}

/// What a set-group-ID directory passes on to a new one does not count.
#[cfg(linux_alone)]
#[test]
fn in_a_directory_of_a_group() {
    let family = Family::new();
    fs::create_dir(family.path("group")).expect("a directory");
    fs::set_permissions(family.path("group"), fs::Permissions::from_mode(0o2775)).expect("its owner may");
    creates(family.launch(BY_METHODS), &[("stderr", "group/a/b/log")]).run().assert_code(0).assert_stderr("");
    for path in ["group/a", "group/a/b"] {
        assert_eq!(of(&family.path(path)).0, 0o755, "{path}");
    }
}

/// In the foreground no log is opened.
#[test]
fn foreground() {
    let family = Family::new();
    let options = [("pid_file", "run/pid"), ("stderr", "log/log"), ("foreground", "1")];
    let running = creates(family.launch(BY_METHODS), &options).start();
    family.daemon();
    assert!(family.path("run/pid").exists() && !family.path("log").exists());
    drop(running);
}

/// A start that fails may leave directories, and no pid file.
#[test]
fn failed_start() {
    for words in [&["exit=7"][..], &["signal=9"]] {
        let family = Family::new();
        let options = [("pid_file", "run/app/pid"), ("stderr", "log/app/log")];
        let end = creates(family.launch(BY_METHODS), &options).args(words).run();
        assert!(!end.status.success());
        family.assert_nothing_left(&family.path("run/app/pid"));
        // And so the next one does not fail for that.
        creates(family.launch(BY_METHODS), &options).run().assert_code(0);
        stop(&family, "run/app/pid");
    }
}

/// A directory that cannot be created is an error at the terminal.
#[test]
fn directory_that_cannot_be_created() {
    let family = Family::new();
    fs::write(family.path("file"), "").expect("a file");
    let end = creates(family.launch(BY_METHODS), &[("pid_file", "file/app/pid")]).run();
    end.assert_code(73).assert_one_line().assert_says(&["file/app/pid: Not a directory; correct the path\n"]);
    family.assert_gone();
}

/// Of many at once one daemon is left, and each of the others says that it is running.
#[test]
fn starts_at_once() {
    for _ in 0..10 {
        let family = Family::new();
        let options = [("pid_file", "a/b/c/pid"), ("stdout", "a/b/d/log"), ("stderr", "a/b/c/e/log")];
        let starts: Vec<_> = (0..8).map(|_| creates(family.launch(BY_METHODS), &options).start()).collect();
        let ends: Vec<_> = starts.into_iter().map(|start| start.end()).collect();
        let started = ends.iter().filter(|end| end.status.success()).count();
        assert_eq!(started, 1, "{ends:#?}");
        for end in ends.iter().filter(|end| !end.status.success()) {
            end.assert_code(69).assert_says(&["cannot lock pid file "]);
        }
        stop(&family, "a/b/c/pid");
    }
}

/// The last directory of each path is the daemon's user's, also where another path goes on from there; those above are root's.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: POSIX does not tell the owner of a process")]
fn owners() {
    for (who, owner) in [
        (&[("user", "alice")][..], (0o755, ALICE, 0)),
        (&[("user", "alice"), ("group", "web")][..], (0o755, ALICE, 4100)),
        (&[("group", "web")][..], (0o755, 0, 4100)),
        (&[][..], (0o755, 0, 0)),
    ] {
        let family = family();
        let options = [
            ("pid_file", "run/app/pid"),
            ("stdout", "run/app/log/out/log"),
            ("stderr", "var/log/app/log"),
            ("reopen_on_sighup", ""),
        ];
        creates(with(launch(&family, &[], BY_METHODS), who), &options).run().assert_code(0).assert_stderr("");
        let all = ["run/app", "run/app/log/out", "var/log/app"].map(|path| of(&family.path(path)));
        assert_eq!(all, [owner; 3], "{who:?}");
        let above = ["run", "run/app/log", "var", "var/log"].map(|path| of(&family.path(path)));
        assert_eq!(above, [(0o755, 0, 0); 4], "{who:?}");
        // So the daemon may reopen its log, and remove its pid file.
        let log = family.path("var/log/app/log");
        fs::rename(&log, family.path("old")).expect("it can be moved");
        Instance::at(family.path("run/app/pid")).reload().expect("it runs");
        tests::until("a new log", || log.exists().then_some(()));
        stop(&family, "run/app/pid");
        assert!(!family.path("run/app/pid").exists(), "the pid file is left, {who:?}");
    }
}

/// Root creates nothing where alice's link leads to, and gives nothing away there; nor by one in the middle of the path.
#[cfg(linux_alone)]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: only Linux looks at a link and follows it in one")]
fn links_of_strangers() {
    for options in [&[("pid_file", "alice/link/new/pid")][..], &[("stderr", "alice/link/new/log")]] {
        for who in [&[("user", "alice")][..], &[]] {
            let family = family();
            let [hers, roots] = ["alice", "roots"].map(|name| family.path(name));
            for directory in [&hers, &roots] {
                fs::create_dir(directory).expect("a directory");
            }
            symlink(&roots, hers.join("link")).expect("a link");
            for path in [&hers, &hers.join("link")] {
                lchown(path, Some(ALICE), Some(ALICE)).expect("root may");
            }
            let end = creates(with(launch(&family, &[], BY_METHODS), who), options).run();
            end.assert_code(73).assert_one_line().assert_says(&["a symbolic link on the way is not root's"]);
            assert_eq!(fs::read_dir(&roots).expect("a directory").count(), 0, "something was created");
            // Over root's link it goes.
            lchown(hers.join("link"), Some(0), Some(0)).expect("root may");
            creates(with(launch(&family, &[], BY_METHODS), who), options).run().assert_code(0);
            assert!(roots.join("new").is_dir());
        }
    }
}

/// In a directory of alice's, who changes what is in there at the worst moment: root gives away what it has created, and nothing else.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
#[cfg(target_arch = "x86_64")]
fn directory_at_the_wrong_moment() {
    use nix::libc::SYS_mkdirat;
    use tests::tracer::trace;
    for mode in [0o755, 0o700, 0o500] {
        let family = family();
        let hers = family.path("alice");
        let [new, old, roots] = ["new", "old", "roots"].map(|name| hers.join(name));
        // A directory of root's in hers, which she may rename.
        fs::create_dir_all(&roots).expect("directories");
        fs::set_permissions(&roots, fs::Permissions::from_mode(mode)).expect("its owner may");
        chown(&hers, Some(ALICE), Some(ALICE)).expect("root may");
        let launch = creates(launch(&family, &[], BY_METHODS), &[("user", "alice"), ("stderr", "alice/new/log")]);
        let (mut is_created, mut is_exchanged) = (false, false);
        let exchange = |call: &tests::tracer::Call| {
            // Before the first call after the one that has created it.
            if is_created && !is_exchanged {
                fs::rename(&new, &old).and_then(|()| fs::rename(&roots, &new)).expect("she may");
                is_exchanged = true;
            }
            is_created |= call.number == SYS_mkdirat;
            None
        };
        trace(launch.args(["notify", "mark", "pause"]), exchange, |_| ());
        assert!(is_exchanged, "nothing was created");
        assert_eq!(of(&new), (mode, 0, 0), "root's directory was given away");
    }
}
