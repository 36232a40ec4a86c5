//! stdout and stderr as log files: how they are opened, and opened anew.
#![cfg_attr(not(linux_alone), allow(dead_code, unused_imports))] // Some are for tests that Linux alone can have.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
#[cfg(linux_alone)]
use tests::accounts::{self, AS_NOBODY, launch_as, launch_as_ordinary};
#[cfg(linux_alone)]
use tests::{Expected, starter};
use tests::{Family, Launch, Proc, listing, strerror, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const WRITER: &str = env!("CARGO_BIN_EXE_writer");

/// The fixture with one log for both streams.
fn launch<'a>(family: &'a Family, log: &Path) -> Launch<'a> {
    family.launch(READY).env("DAEMON_STDOUT", log).env("DAEMON_STDERR", log)
}

/// Writes a line to each stream, twice, and waits for the mark `go` in between.
const TWICE: [&str; 9] =
    ["notify", "print=one", "eprint=uno", "touch=body", "wait=go", "print=two", "eprint=due", "touch=end", "pause"];

fn mark(family: &Family, name: &str) {
    fs::write(family.path(name), "").expect("a mark");
}

fn hang_up(daemon: &Proc) {
    kill(Pid::from_raw(daemon.pid), Signal::SIGHUP).expect("the daemon runs");
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Position and flags of an open file description.
#[cfg(linux_alone)]
fn description(pid: i32, fd: i32) -> (u64, OFlag) {
    let info = Proc::fdinfo(pid, fd).unwrap_or_else(|| panic!("process {pid} has no descriptor {fd}"));
    let flags = i32::from_str_radix(&info["flags"], 8).expect("flags are octal");
    (info["pos"].parse().expect("a number"), OFlag::from_bits_retain(flags))
}

/// Waits until the daemon has this file open as stdout, or stderr.
#[cfg(linux_alone)]
fn until_open(daemon: &Proc, fd: i32, log: &Path) {
    let link = format!("/proc/{}/fd/{fd}", daemon.pid);
    until(&format!("{} open as {fd}", log.display()), || (fs::read_link(&link).ok()? == log).then_some(()));
}

/// Waits until the daemon is opening this file, or has it open. It has one thread: what it does next comes after that.
#[cfg(not(linux_alone))]
fn until_open(_: &Proc, _: i32, log: &Path) {
    until(&format!("{}", log.display()), || log.is_file().then_some(()));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o7777
}

// Opened by the launcher.

#[cfg(linux_alone)]
#[test]
fn the_same_path_twice_is_one_open_file() {
    let family = Family::new();
    let log = family.path("log");
    fs::write(&log, "zero\n").expect("a log");
    let launch = family.launch(READY).env("DAEMON_STDOUT", "log").env("DAEMON_STDERR", "log").cwd(family.directory());
    launch.args(TWICE).run().assert_code(0);
    let daemon = family.daemon();
    assert_eq!(read(&log), "zero\none\nuno\n");
    // Both have moved to the end by what either has written.
    let ends = [1, 2].map(|fd| description(daemon.pid, fd).0);
    assert_eq!(ends, [13, 13]);
    mark(&family, "go");
    family.at("end");
    assert_eq!(read(&log), "zero\none\nuno\ntwo\ndue\n");
}

#[test]
fn two_files_are_two() {
    let family = Family::new();
    let [out, err] = ["out", "err"].map(|name| family.path(name));
    family.launch(READY).env("DAEMON_STDOUT", &out).env("DAEMON_STDERR", &err).args(TWICE).run().assert_code(0);
    mark(&family, "go");
    family.at("end");
    assert_eq!([read(&out), read(&err)], ["one\ntwo\n", "uno\ndue\n"]);
}

#[test]
fn created_with_mode_0640_whatever_the_umask() {
    for mask in [0, 0o022, 0o077, 0o777] {
        let family = Family::new();
        let log = family.path("log");
        let umask = Box::new(move || {
            nix::sys::stat::umask(Mode::from_bits_truncate(mask));
            Ok(())
        });
        launch(&family, &log).env("DAEMON_UMASK", format!("0o{mask:o}")).under(umask).run().assert_code(0);
        assert_eq!(mode(&log), 0o640, "umask {mask:o}");
    }
}

#[test]
fn existing_file_keeps_content_and_mode() {
    let family = Family::new();
    let log = family.path("log");
    fs::write(&log, "zero\n").expect("a log");
    fs::set_permissions(&log, Permissions::from_mode(0o604)).expect("its mode");
    launch(&family, &log).args(TWICE).run().assert_code(0);
    // The launcher exits before the daemon writes.
    family.daemon();
    assert_eq!((read(&log), mode(&log)), ("zero\none\nuno\n".into(), 0o604));
}

#[test]
fn relative_to_where_it_was_started() {
    let family = Family::new();
    let log = family.path("log");
    let launch = launch(&family, Path::new("log")).env("DAEMON_REOPEN_ON_SIGHUP", "").cwd(family.directory());
    launch.args(TWICE).run().assert_code(0);
    let daemon = family.daemon();
    #[cfg(linux_alone)]
    assert_eq!(daemon.cwd, Path::new("/"));
    fs::rename(&log, family.path("log.1")).expect("the log can be moved");
    hang_up(&daemon);
    until_open(&daemon, 2, &log);
}

/// The terminal is told, and nothing is started. No reader of the FIFO is waited for.
#[test]
fn file_cannot_be_opened() {
    let family = Family::new();
    let directory = family.path("logs");
    fs::create_dir(&directory).expect("a directory");
    let at = |name: &str| directory.join(name);
    fs::write(at("file"), "precious").expect("a file");
    symlink("loop", at("loop")).expect("a link");
    fs::create_dir(at("directory")).expect("a directory");
    mkfifo(&at("fifo"), Mode::from_bits_truncate(0o600)).expect("a fifo");
    let before = listing(&directory);
    let pid_file = family.path("pid");
    for stream in ["stdout", "stderr"] {
        for (name, why) in [
            ("missing/log", "its directory does not exist; create it"),
            ("file/log", "Not a directory"),
            ("directory", "Is a directory"),
            ("loop", &strerror(Errno::ELOOP)),
            ("fifo", &strerror(Errno::ENXIO)),
        ] {
            let option = format!("DAEMON_{}", stream.to_uppercase());
            let end = family.launch(READY).env(option, at(name)).env("DAEMON_PID_FILE", &pid_file).run();
            let what = format!("cannot open log {}: ", at(name).display());
            end.assert_code(73).assert_one_line().assert_says(&[&what, why]);
            assert_eq!(listing(&directory), before, "{name}");
            family.assert_nothing_left(&pid_file);
        }
    }
}

/// Of two that were started at once the one that has created the log fails. The other one logs to it.
#[test]
fn a_start_that_fails_leaves_the_log_to_another() {
    for ready in [true, false] {
        let family = Family::new();
        let log = family.path("log");
        let first = launch(&family, &log).args(["touch=early", "wait=fail", "exit=3"]).start();
        family.at("early");
        let words = ["touch=body", "wait=late", "notify", "eprint=line", "touch=end", "pause"];
        let words =
            if ready { ["notify", "touch=body", "wait=late", "eprint=line", "touch=end", "pause"] } else { words };
        let second = launch(&family, &log).args(words).start();
        family.daemon();
        mark(&family, "fail");
        first.end().assert_code(3);
        mark(&family, "late");
        second.end().assert_code(0);
        family.at("end");
        assert_eq!(read(&log), "line\n", "ready: {ready}");
    }
}

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn file_may_not_be_opened() {
    let family = Family::new();
    fs::set_permissions(family.directory(), Permissions::from_mode(0o755)).expect("a directory for everyone");
    fs::write(family.path("theirs"), "precious").expect("a file");
    for name in ["theirs", "new"] {
        let launch = launch_as(&family, &AS_NOBODY, READY).env("DAEMON_STDERR", family.path(name));
        launch.run().assert_code(73).assert_one_line().assert_says(&["cannot open log", "Permission denied"]);
        family.assert_nothing_left(&family.path("new"));
    }
}

/// To somebody who reads it, a FIFO is as good as a file; and a full one blocks the writer, as ever.
#[cfg(linux_alone)]
#[test]
fn a_fifo_with_a_reader() {
    let family = Family::new();
    let fifo = family.path("fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("a fifo");
    let reader = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&fifo);
    let mut reader: File = reader.expect("the reader's end");
    launch(&family, &fifo).args(TWICE).run().assert_code(0);
    let daemon = family.daemon();
    assert!(!description(daemon.pid, 1).1.contains(OFlag::O_NONBLOCK), "the FIFO is left as nonblocking");
    let mut said = [0; 8];
    reader.read_exact(&mut said).expect("what the daemon has written");
    assert_eq!(&said, b"one\nuno\n");
}

#[cfg(linux_alone)]
#[test]
fn log_files_are_appended_to_and_shared() {
    let family = Family::new();
    let log = family.path("log");
    fs::write(&log, "before\n").expect("a file in the directory");
    let words = ["notify", "print=out", "eprint=err", "print=out again", "touch=body", "pause"];
    let launch = family.launch(READY).args(words).env("DAEMON_STDOUT", &log).env("DAEMON_STDERR", &log);
    launch.run().assert_code(0).assert_stderr("");
    let daemon = family.daemon();
    assert_eq!(fs::read_to_string(&log).expect("the log"), "before\nout\nerr\nout again\n");
    Expected { streams: ["/dev/null".into(), log.clone(), log], ..Expected::default() }.assert(&daemon);
    // One open file, not two: a flag set on one is seen on the other, and so is its offset.
    let info = |fd| fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", daemon.pid)).expect("fdinfo");
    assert_eq!(info(1), info(2));
}

// Opened anew.

#[cfg(linux_alone)]
#[test]
fn reopened_on_sighup() {
    for mask in ["0o022", "0o077", "0o777"] {
        let family = Family::new();
        let [log, old] = ["log", "log.1"].map(|name| family.path(name));
        let launch = launch(&family, &log).env("DAEMON_REOPEN_ON_SIGHUP", "").env("DAEMON_UMASK", mask);
        launch.args(TWICE).run().assert_code(0);
        let daemon = family.daemon();
        fs::rename(&log, &old).expect("the log can be moved");
        hang_up(&daemon);
        until_open(&daemon, 1, &log);
        until_open(&daemon, 2, &log);
        mark(&family, "go");
        family.at("end");
        assert_eq!([read(&old), read(&log)], ["one\nuno\n", "two\ndue\n"]);
        assert_eq!(mode(&log), 0o640, "umask {mask}");
        let now = [1, 2].map(|fd| description(daemon.pid, fd));
        assert_eq!(now.map(|(position, _)| position), [8, 8]);
        for (_, flags) in now {
            let unwanted = OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
            assert!(flags.contains(OFlag::O_APPEND), "not appended to: {flags:?}");
            assert!(!flags.intersects(unwanted), "{flags:?}");
        }
        // And nothing else has been left open.
        assert_eq!(Proc::of(daemon.pid).expect("it lives").fds.len(), 3);
    }
}

/// With the file still in its place nothing changes.
#[cfg(linux_alone)]
#[test]
fn reopened_while_the_file_is_in_place() {
    let family = Family::new();
    let log = family.path("log");
    launch(&family, &log).env("DAEMON_REOPEN_ON_SIGHUP", "").args(TWICE).run().assert_code(0);
    let daemon = family.daemon();
    hang_up(&daemon);
    // A description that has written nothing yet.
    until("a new open file", || (description(daemon.pid, 2).0 == 0).then_some(()));
    mark(&family, "go");
    family.at("end");
    assert_eq!(read(&log), "one\nuno\ntwo\ndue\n");
}

/// The log is a link whose target logrotate(8) has moved away. An ordinary user's links are followed, so that the file is
/// created anew where the link leads to; and the handler comes to its end, as SIGTERM waits for that.
#[cfg(linux_alone)]
#[test]
fn reopened_through_a_link_that_leads_nowhere_yet() {
    for stream in ["STDOUT", "STDERR"] {
        let family = accounts::family();
        let [link, target, old, pid_file] = ["link", "target", "target.1", "pid"].map(|name| family.path(name));
        symlink(&target, &link).expect("a link");
        let launch = launch_as_ordinary(&family, READY).env(format!("DAEMON_{stream}"), &link);
        let launch = launch.env("DAEMON_REOPEN_ON_SIGHUP", "").env("DAEMON_PID_FILE", &pid_file);
        launch.args(TWICE).run().assert_code(0).assert_stderr("");
        let daemon = family.daemon();
        fs::rename(&target, &old).expect("the log can be moved");
        hang_up(&daemon);
        until_open(&daemon, if stream == "STDOUT" { 1 } else { 2 }, &target);
        mark(&family, "go");
        family.at("end");
        let lines = if stream == "STDOUT" { ["one\n", "two\n"] } else { ["uno\n", "due\n"] };
        assert_eq!([read(&old), read(&target)], lines, "{stream}");
        assert_eq!((fs::read_link(&link).expect("the link"), mode(&target)), (target, 0o640), "{stream}");
        kill(Pid::from_raw(daemon.pid), Signal::SIGTERM).expect("the daemon runs");
        family.assert_nothing_left(&pid_file);
    }
}

/// A reason why a log cannot be opened anew: what is done for that, its error, and how to undo it.
type Obstacle = (fn(&Path, &Proc), Errno, fn(&Path, &Proc));

#[cfg(linux_alone)]
fn limit_descriptors(daemon: &Proc, descriptors: &str) {
    let mut command = std::process::Command::new("prlimit");
    command.arg(format!("--pid={}", daemon.pid)).arg(format!("--nofile={descriptors}:"));
    assert!(command.status().expect("prlimit").success(), "prlimit fails");
}

const OBSTACLES: &[Obstacle] = &[
    (
        |log, _| fs::rename(log.parent().expect("a directory"), log.with_file_name("../moved")).expect("rename"),
        Errno::ENOENT,
        |log, _| fs::create_dir(log.parent().expect("a directory")).expect("a directory"),
    ),
    (
        |log, _| {
            fs::rename(log, log.with_file_name("moved")).expect("rename");
            fs::create_dir(log).expect("a directory");
        },
        Errno::EISDIR,
        |log, _| fs::remove_dir(log).expect("an empty directory"),
    ),
    (
        |log, _| {
            fs::rename(log, log.with_file_name("moved")).expect("rename");
            mkfifo(log, Mode::from_bits_truncate(0o600)).expect("a fifo");
        },
        Errno::ENXIO,
        |log, _| fs::remove_file(log).expect("the fifo"),
    ),
    #[cfg(linux_alone)]
    (
        |log, daemon| {
            fs::rename(log, log.with_file_name("moved")).expect("rename");
            limit_descriptors(daemon, "3");
        },
        Errno::EMFILE,
        |_, daemon| limit_descriptors(daemon, "100"),
    ),
];

/// The old file stays in use and says why, once; and the next hangup may find the way clear.
#[test]
fn reopening_fails() {
    for (block, why, clear) in OBSTACLES {
        // Not strerror(3), which a handler of a signal must not call.
        let why = why.desc();
        let family = Family::new();
        let directory = family.path("logs");
        fs::create_dir(&directory).expect("a directory");
        let log = directory.join("log");
        launch(&family, &log).env("DAEMON_REOPEN_ON_SIGHUP", "").args(TWICE).run().assert_code(0);
        let daemon = family.daemon();
        let mut old = File::open(&log).expect("the log");
        let mut said = String::new();
        block(&log, &daemon);
        hang_up(&daemon);
        let complaint = format!("ready: cannot reopen log file {}: {why}; the old file stays in use\n", log.display());
        until(&complaint, || {
            old.read_to_string(&mut said).expect("the old log");
            said.contains("in use\n").then_some(())
        });
        mark(&family, "go");
        family.at("end");
        old.read_to_string(&mut said).expect("the old log");
        assert_eq!(said, format!("one\nuno\n{complaint}two\ndue\n"));
        clear(&log, &daemon);
        hang_up(&daemon);
        until_open(&daemon, 1, &log);
        until_open(&daemon, 2, &log);
    }
}

/// Each log for itself: the one that cannot be opened does not keep the other from it, and says so itself.
#[test]
fn reopening_fails_for_one() {
    for (bad, good) in [("stdout", "stderr"), ("stderr", "stdout")] {
        let family = Family::new();
        let option = |name: &str| format!("DAEMON_{}", name.to_uppercase());
        let (bad_log, good_log) = (family.path("gone/log"), family.path("log"));
        fs::create_dir(family.path("gone")).expect("a directory");
        let launch = family.launch(READY).env(option(bad), &bad_log).env(option(good), &good_log);
        launch.env("DAEMON_REOPEN_ON_SIGHUP", "").args(TWICE).run().assert_code(0);
        let daemon = family.daemon();
        fs::rename(family.path("gone"), family.path("moved")).expect("rename");
        fs::rename(&good_log, family.path("log.1")).expect("rename");
        hang_up(&daemon);
        until_open(&daemon, if good == "stdout" { 1 } else { 2 }, &good_log);
        let moved = family.path("moved/log");
        until("the complaint", || read(&moved).contains("cannot reopen log file").then_some(()));
        assert_eq!(read(&good_log), "", "{bad}");
    }
}

/// One log that cannot be opened anew, and no other: there is no better place for the line.
#[test]
fn reopening_fails_for_the_only_one() {
    for stream in ["STDOUT", "STDERR"] {
        let family = Family::new();
        fs::create_dir(family.path("logs")).expect("a directory");
        let launch = family.launch(READY).env(format!("DAEMON_{stream}"), family.path("logs/log"));
        launch.env("DAEMON_REOPEN_ON_SIGHUP", "").args(TWICE).run().assert_code(0);
        fs::rename(family.path("logs"), family.path("moved")).expect("rename");
        hang_up(&family.daemon());
        until("the complaint", || read(&family.path("moved/log")).ends_with("in use\n").then_some(()));
    }
}

/// However long the path is, what follows begins a line of its own.
#[cfg(linux_alone)]
#[test]
fn reopening_fails_for_a_long_path() {
    let family = Family::new();
    let directory = family.path(vec!["deep".repeat(50); 10].join("/"));
    fs::create_dir_all(&directory).expect("a deep directory");
    let log = directory.join("log");
    launch(&family, &log).env("DAEMON_REOPEN_ON_SIGHUP", "").args(TWICE).run().assert_code(0);
    let mut old = File::open(&log).expect("the log");
    fs::rename(&directory, directory.with_file_name("moved")).expect("rename");
    hang_up(&family.daemon());
    let mut said = String::new();
    until("the complaint", || {
        old.read_to_string(&mut said).expect("the old log");
        said.contains("ready: cannot reopen log file").then_some(())
    });
    mark(&family, "go");
    family.at("end");
    old.read_to_string(&mut said).expect("the old log");
    assert!(said.lines().any(|line| line == "two"), "{said}");
}

/// Without a log there is nothing to open, and still nothing to die of.
#[test]
fn a_hangup_in_the_foreground() {
    let family = Family::new();
    let launch = family.launch(READY).env("DAEMON_REOPEN_ON_SIGHUP", "").env("DAEMON_FOREGROUND", "");
    let running = launch.args(&TWICE[..8]).start();
    hang_up(&family.daemon());
    mark(&family, "go");
    let end = running.end();
    end.assert_code(0).assert_stderr("uno\ndue\n");
    assert_eq!(end.stdout, "one\ntwo\n");
}

/// The program's own handler of SIGHUP runs after the files have been opened, whoever was there first.
#[test]
fn a_handler_of_the_program() {
    for (program, hook) in tests::graceful_programs!() {
        let family = Family::new();
        let [log, pid_file] = ["log", "pid"].map(|name| family.path(name));
        let launch = family.launch(program).env("DAEMON_HOOK", hook).env("DAEMON_HUP", "");
        let launch = launch.env("DAEMON_STDOUT", &log).env("DAEMON_REOPEN_ON_SIGHUP", "");
        launch.env("DAEMON_PID_FILE", &pid_file).run().assert_code(0);
        let daemon = family.daemon();
        for number in 0..3 {
            fs::rename(&log, family.path(format!("log.{number}"))).expect("the log can be moved");
            hang_up(&daemon);
            until(&format!("the program's own line: {program} {hook}"), || {
                (fs::read_to_string(&log).ok()? == "reloaded\n").then_some(())
            });
        }
        kill(Pid::from_raw(daemon.pid), Signal::SIGTERM).expect("the daemon runs");
        mark(&family, "go");
        family.assert_nothing_left(&pid_file);
    }
}

// Another user.

/// A directory for logs, in one where the user can make marks.
fn for_nobody(family: &Family) -> PathBuf {
    chown(family.directory(), Some(65534), None).expect("chown");
    let directory = family.path("logs");
    fs::create_dir(&directory).expect("a directory");
    directory
}

fn owner_and_mode(path: &Path) -> (u32, u32, u32) {
    let file = fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    (file.uid(), file.gid(), file.mode() & 0o7777)
}

#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn belongs_to_the_user_and_is_reopened() {
    let family = Family::new();
    let directory = for_nobody(&family);
    chown(&directory, Some(65534), Some(65534)).expect("chown");
    let [log, old] = ["log", "log.1"].map(|name| directory.join(name));
    let launch = launch(&family, &log).env("DAEMON_USER", "nobody").env("DAEMON_REOPEN_ON_SIGHUP", "");
    launch.args(TWICE).run().assert_code(0);
    let daemon = family.at("body");
    assert_eq!(daemon.uids, [65534; 4]);
    // Root has created it, and given it to the user, and not to the user's group: `group` is not set.
    assert_eq!(owner_and_mode(&log), (65534, 0, 0o640));
    fs::rename(&log, &old).expect("the log can be moved");
    hang_up(&daemon);
    until_open(&daemon, 1, &log);
    until_open(&daemon, 2, &log);
    assert_eq!(owner_and_mode(&log), (65534, 65534, 0o640));
    assert_eq!(read(&old), "one\nuno\n");
}

/// Every log has the group that the directory gives, the first one too; but `group` is heard.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn in_a_directory_that_gives_its_group() {
    for given in [4, 0] {
        for (group, expected) in [(None, given), (Some("1"), 1)] {
            let family = Family::new();
            let directory = for_nobody(&family);
            chown(&directory, Some(65534), Some(given)).expect("chown");
            fs::set_permissions(&directory, Permissions::from_mode(0o2775)).expect("its mode");
            let [log, old] = ["log", "log.1"].map(|name| directory.join(name));
            let launch = launch(&family, &log).env("DAEMON_USER", "nobody").env("DAEMON_REOPEN_ON_SIGHUP", "");
            let launch = group.into_iter().fold(launch, |launch, group| launch.env("DAEMON_GROUP", group));
            launch.args(TWICE).run().assert_code(0);
            let daemon = family.at("body");
            assert_eq!(owner_and_mode(&log), (65534, expected, 0o640), "the directory gives {given}, group {group:?}");
            fs::rename(&log, &old).expect("the log can be moved");
            hang_up(&daemon);
            until_open(&daemon, 2, &log);
            assert_eq!(owner_and_mode(&log), (65534, given, 0o640), "the second log");
        }
    }
}

/// The same where the mount, and not the directory, says so.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root and mkfs.ext4"]
fn on_a_mount_that_gives_the_group_of_directories() {
    for given in [4, 0] {
        let family = Family::new();
        for_nobody(&family);
        let [log, old] = ["log", "log.1"].map(|name| family.path("mount").join(name));
        let launch = starter::on_ext4(&family, "grpid", &format!("chown 65534:{given} ."), READY);
        let launch = launch.env("DAEMON_USER", "nobody").env("DAEMON_STDERR", &log).env("DAEMON_REOPEN_ON_SIGHUP", "");
        launch.args(TWICE).run().assert_code(0);
        let daemon = family.at("body");
        let seen = |path| daemon.outside(path);
        assert_eq!(owner_and_mode(&seen(&log)), (65534, given, 0o640), "a directory of group {given}");
        fs::rename(seen(&log), seen(&old)).expect("the log can be moved");
        hang_up(&daemon);
        until("the second log", || seen(&log).exists().then_some(()));
        assert_eq!(owner_and_mode(&seen(&log)), (65534, given, 0o640), "the second log, group {given}");
    }
}

/// In a directory of root's only what is there can be opened. logrotate's `create` sees to that.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn reopened_by_the_user_where_the_directory_lets_it() {
    let family = Family::new();
    let directory = for_nobody(&family);
    let [log, old] = ["log", "log.1"].map(|name| directory.join(name));
    let launch = launch(&family, &log).env("DAEMON_USER", "nobody").env("DAEMON_REOPEN_ON_SIGHUP", "");
    launch.args(TWICE).run().assert_code(0);
    let daemon = family.at("body");
    fs::rename(&log, &old).expect("the log can be moved");
    hang_up(&daemon);
    let complaint = format!("ready: cannot reopen log file {}: Permission denied; ", log.display());
    until(&complaint, || read(&old).contains(&complaint).then_some(()));
    fs::write(&log, "").expect("a new log");
    chown(&log, Some(65534), None).expect("chown");
    hang_up(&daemon);
    until_open(&daemon, 1, &log);
    until_open(&daemon, 2, &log);
}

/// Inside a new root the log has another name. Outside of it, it is out of reach, and that is said.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs root"]
fn reopened_in_a_new_root() {
    let family = Family::new();
    let root = family.path("root");
    fs::create_dir(&root).expect("a directory");
    let [inside, outside] = [root.join("log"), family.path("log")];
    let launch = family.launch(READY).env("DAEMON_STDOUT", &inside).env("DAEMON_STDERR", &outside);
    let launch = launch.env("DAEMON_CHROOT", &root).env("DAEMON_REOPEN_ON_SIGHUP", "");
    // A mark would be made inside the new root.
    launch.args(["notify", "print=one", "eprint=uno", "pause"]).run().assert_code(0);
    let daemon = family.only();
    until("the lines", || (read(&outside) == "uno\n").then_some(()));
    let moved = [(&inside, root.join("log.1")), (&outside, family.path("log.1"))];
    moved.iter().for_each(|(log, old)| fs::rename(log, old).expect("the log can be moved"));
    hang_up(&daemon);
    until("the new log", || inside.exists().then_some(()));
    assert_eq!(read(&moved[0].1), "one\n");
    let complaint = format!("ready: cannot reopen log file {}: ", outside.display());
    until(&complaint, || read(&moved[1].1).contains(&complaint).then_some(()));
}

// logrotate.

/// The writer, and logrotate with a configuration of its own.
struct Rotated {
    family: Family,
    log: PathBuf,
    daemon: Proc,
}

impl Rotated {
    fn new(options: &[&str], configuration: &str) -> Rotated {
        let family = Family::new();
        let [log, pid_file] = ["log", "pid"].map(|name| family.path(name));
        let launch = family.launch(WRITER).env("DAEMON_STDOUT", &log).env("DAEMON_STDERR", &log);
        let launch = options.iter().fold(launch, |launch, option| launch.env(format!("DAEMON_{option}"), ""));
        launch.env("DAEMON_PID_FILE", &pid_file).run().assert_code(0);
        let (daemon, at) = (family.daemon(), |path: &Path| path.display().to_string());
        let configuration = configuration.replace("PID", &format!("$(cat '{}')", at(&pid_file)));
        let text = format!("\"{}\" {{\n    rotate 1000\n    nocompress\n    {configuration}\n}}\n", at(&log));
        fs::write(family.path("logrotate.conf"), text).expect("a configuration");
        // It refuses what others could change.
        fs::set_permissions(family.path("logrotate.conf"), Permissions::from_mode(0o644)).expect("its mode");
        fs::set_permissions(family.directory(), Permissions::from_mode(0o755)).expect("its mode");
        Rotated { family, log, daemon }
    }

    fn rotate(&self) {
        let [state, configuration] = ["logrotate.state", "logrotate.conf"].map(|name| self.family.path(name));
        let launch = self.family.launch("logrotate").args(["--force", "--state"]).arg(state).arg(configuration);
        launch.run().assert_code(0).assert_stderr("");
    }

    /// Lets the writer come to its end, and returns all that it has written, the oldest file first.
    fn files(self) -> Vec<String> {
        mark(&self.family, "enough");
        self.family.assert_gone();
        assert!(self.family.path("finished").is_symlink(), "the writer has come to its end");
        let old = (1..).map(|number| self.family.path(format!("log.{number}"))).take_while(|path| path.exists());
        let mut paths: Vec<PathBuf> = old.collect();
        paths.reverse();
        paths.push(self.log.clone());
        let files: Vec<String> = paths.iter().map(|path| read(path)).collect();
        assert!(files.iter().all(|file| !file.contains('\0')), "a NUL byte in one of {paths:?}");
        files
    }
}

/// The numbers of a series, in the order in which they were written. Fails if there is any other line.
fn numbers(series: &str, text: &str) -> Vec<usize> {
    let number = |line: &str| {
        let (name, number) = line.split_once(' ').unwrap_or_else(|| panic!("a torn line: {line:?}"));
        assert!(["out", "err"].contains(&name), "a torn line: {line:?}");
        let number = number.parse().unwrap_or_else(|error| panic!("a torn line: {line:?}: {error}"));
        (name == series).then_some(number)
    };
    text.lines().filter_map(number).collect()
}

#[track_caller]
fn assert_whole(files: &[String]) {
    let text = files.concat();
    assert!(text.ends_with('\n'), "the last line is torn");
    assert!(files.iter().filter(|file| !file.is_empty()).count() > ROTATIONS / 2, "it was not writing all the time");
    for series in ["out", "err"] {
        let numbers = numbers(series, &text);
        assert!(numbers.len() >= 10_000, "{} lines", numbers.len());
        if let Some((line, number)) = (1..).zip(numbers).find(|(line, number)| line != number) {
            panic!("{series} {number} where {series} {line} should be");
        }
    }
}

const ROTATIONS: usize = 10;

/// Not a line is lost, doubled, torn or out of its order, however fast they come.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs logrotate"]
fn rotated_with_a_hangup() {
    for create in ["create", "nocreate"] {
        let hang_up = "postrotate\n        kill -HUP PID\n    endscript";
        let rotated = Rotated::new(&["REOPEN_ON_SIGHUP", "THREADS"], &format!("{create}\n    {hang_up}"));
        for _ in 0..ROTATIONS {
            rotated.rotate();
            // A second rotation that came before the daemon has heard of the first would move a file that is in use.
            until_open(&rotated.daemon, 1, &rotated.log);
            until_open(&rotated.daemon, 2, &rotated.log);
        }
        let files = rotated.files();
        assert_eq!(files.len(), ROTATIONS + 1);
        assert_whole(&files);
    }
}

/// What is written between logrotate's copy and its truncation is lost, whoever writes it. So nobody writes then: the
/// configuration stops the daemon. Not a line is lost, and after the truncation it goes on at the beginning of the file.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs logrotate"]
fn rotated_by_copy_while_stopped() {
    let stop =
        "prerotate\n        kill -STOP PID && until grep -q '^State:.T' /proc/PID/status; do :; done\n    endscript";
    let go_on = "postrotate\n        kill -CONT PID\n    endscript";
    let rotated = Rotated::new(&[], &format!("copytruncate\n    {stop}\n    {go_on}"));
    for _ in 0..ROTATIONS {
        rotated.rotate();
    }
    let files = rotated.files();
    assert_eq!(files.len(), ROTATIONS + 1);
    assert_whole(&files);
}

/// The daemon goes on writing during copy and truncation. What is lost is then only what lies between them: each file is
/// whole but for the end of a copy, and there are no NUL bytes, which is what a writer without O_APPEND leaves.
#[cfg(linux_alone)]
#[test]
#[ignore = "needs logrotate"]
fn rotated_by_copy_while_writing() {
    let rotated = Rotated::new(&["THREADS"], "copytruncate");
    for _ in 0..ROTATIONS {
        rotated.rotate();
    }
    for file in rotated.files() {
        let whole = file.rfind('\n').map_or("", |end| &file[..=end]);
        for series in ["out", "err"] {
            let numbers = numbers(series, whole);
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "a gap in a file");
        }
    }
}

/// The signal that ends the daemon comes while the log is being reopened.
#[test]
fn ended_while_it_is_reopened() {
    let family = Family::new();
    let (log, pid_file) = (family.path("log"), family.path("pid"));
    for _ in 0..40 {
        let launch = launch(&family, &log).env("DAEMON_REOPEN_ON_SIGHUP", "").env("DAEMON_PID_FILE", &pid_file);
        launch.args(["notify", "pause"]).run().assert_code(0);
        let daemon = Pid::from_raw(read(&pid_file).trim().parse().expect("a pid"));
        for signal in [Signal::SIGHUP, Signal::SIGTERM] {
            kill(daemon, signal).expect("the daemon runs");
        }
        family.assert_nothing_left(&pid_file);
    }
}
