//! Inherited descriptors go, but those that are asked for; what `setup` opened stays.
#![cfg(linux_alone)] // /proc shows what is open.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::close;
use tests::hostile::{self, Condition};
use tests::{Expected, Family, Launch};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const OPENS_IN_SETUP: &str = env!("CARGO_BIN_EXE_opens_in_setup");
const LITERAL_KEPT: &str = env!("CARGO_BIN_EXE_literal_keep_fds");
const SOCKET_ACTIVATED: &str = env!("CARGO_BIN_EXE_socket_activated");
const PROGRAMS: [&str; 3] = [READY, OPENS_IN_SETUP, env!("CARGO_BIN_EXE_without_ready")];

/// A file of the family, with its own name in it.
fn file(family: &Family, name: &str) -> PathBuf {
    let path = family.path(name);
    fs::write(&path, name).expect("a file in the directory");
    path
}

/// These numbers are open, and stay so over exec; nothing else is but the streams and `files`.
fn only(numbers: impl IntoIterator<Item = i32>, files: &[(i32, &Path)]) -> Condition {
    let null = numbers.into_iter().map(|number| (number, "/dev/null".into()));
    let files: Vec<(i32, PathBuf)> =
        null.chain(files.iter().map(|(number, path)| (*number, path.to_path_buf()))).collect();
    Box::new(move || {
        // What the tests have open is closed by exec, but would lie at numbers that are wanted here.
        let names =
            fs::read_dir("/proc/self/fd")?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
        for number in names.iter().filter_map(|name| name.to_str()?.parse::<i32>().ok()).filter(|number| *number > 2) {
            let _ = close(number);
        }
        files.iter().try_for_each(|(number, path)| put(File::open(path)?, *number))
    })
}

/// Makes `file` descriptor `number`, which stays open over exec.
fn put(file: impl AsRawFd + IntoRawFd + AsFd, number: i32) -> io::Result<()> {
    if file.as_raw_fd() == number {
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let _stays = file.into_raw_fd();
        return Ok(());
    }
    let _ = close(number);
    match fcntl(&file, FcntlArg::F_DUPFD(number))? {
        got if got == number => Ok(()),
        got => Err(io::Error::other(format!("{got} instead of {number}"))),
    }
}

/// Launches it, and compares all that the daemon has open, besides its streams, with `expected`.
#[track_caller]
fn has_open(launch: Launch<'_>, expected: &[(i32, PathBuf)]) {
    let family = launch.family();
    launch.run().assert_code(0).assert_stderr("");
    let daemon = family.daemon();
    let others = expected.iter().map(|(_, path)| path.clone()).collect();
    Expected { others, ..Expected::default() }.assert(&daemon);
    let expected: BTreeMap<i32, PathBuf> = expected.iter().cloned().collect();
    assert_eq!(daemon.fds.into_iter().filter(|(fd, _)| *fd > 2).collect::<BTreeMap<_, _>>(), expected);
}

/// As it is where nothing but literals stands before the start: all is closed but these, without a look.
#[test]
fn literals_keep_descriptors() {
    let family = Family::new();
    let [a, b] = ["a", "b"].map(|name| file(&family, name));
    let open = [(3, &*a), (8, &b), (9, &a), (10, &b), (17, &b), (18, &a), (29, &a)];
    has_open(family.launch(LITERAL_KEPT).under(only(3..30, &open)), &[(9, a.clone()), (17, b.clone())]);
}

#[test]
fn descriptors_keep_their_numbers() {
    for program in PROGRAMS {
        let family = Family::new();
        let [a, b, c] = ["a", "b", "c"].map(|name| file(&family, name));
        let launch = family.launch(program).under(only(3..40, &[(3, &a), (7, &b), (63, &c)]));
        let launch = launch.env("DAEMON_KEEP_FDS", "63,3,7");
        // Files of the launch itself come between.
        let (pid_file, log) = (family.path("pid"), family.path("log"));
        let launch = launch.env("DAEMON_PID_FILE", &pid_file).env("DAEMON_STDOUT", &log);
        launch.run().assert_code(0).assert_stderr("");
        let daemon = family.daemon();
        let mut open = daemon.fds.clone();
        assert_eq!([3, 7, 63].map(|fd| open.remove(&fd)), [a, b, c].map(Some));
        let streams = [0, 1, 2].map(|fd| open.remove(&fd).expect("a stream"));
        assert_eq!(streams, [Path::new("/dev/null"), &log, Path::new("/dev/null")].map(Path::to_owned));
        assert_eq!(open.into_values().collect::<Vec<_>>(), [pid_file]);
    }
}

/// Numbers that nobody has opened: the launch itself must not be taken for that somebody.
#[test]
fn descriptor_to_keep_is_not_open() {
    for program in PROGRAMS {
        for number in ["3", "4", "5", "6", "7", "8", "9", "19", "1000000", "2147483647"] {
            let family = Family::new();
            let files = ["pid", "out", "err"].map(|name| family.path(name));
            let mut launch = family.launch(program).under(only([], &[])).env("DAEMON_KEEP_FDS", number);
            for (option, path) in ["PID_FILE", "STDOUT", "STDERR"].into_iter().zip(&files) {
                launch = launch.env(format!("DAEMON_{option}"), path);
            }
            let end = launch.run();
            end.assert_code(64).assert_one_line().assert_says(&["descriptor", number, "keep_fds"]);
            family.assert_nothing_left(&files[0]);
        }
    }
}

#[test]
fn wrong_numbers() {
    for (numbers, says) in [("0", "stdin"), ("1", "stdout"), ("2", "stderr"), ("-1", "negative"), ("3,3", "twice")] {
        let family = Family::new();
        let launch = family.launch(READY).under(only(3..9, &[])).env("DAEMON_KEEP_FDS", numbers);
        launch.run().assert_code(64).assert_one_line().assert_says(&["keep_fds", says]);
        family.assert_gone();
    }
}

/// What `setup` opens lies between what was inherited, also at a number that it has closed itself, and even if that is
/// the same file, opened as C does it.
#[test]
fn setup_opens_among_inherited_descriptors() {
    let family = Family::new();
    let [a, b, c, kept] = ["a", "b", "c", "kept"].map(|name| file(&family, name));
    let launch = family.launch(OPENS_IN_SETUP).under(only([3, 5, 6, 7, 8, 10, 12], &[(11, &kept)]));
    let launch = launch.env("DAEMON_KEEP_FDS", "11");
    let show = |path: &Path| path.display().to_string();
    // The lowest free number each: 4, 6, 9.
    let setup = format!("open={}\nclose=6\nc_open={}\nopen={}", show(&a), show(&b), show(&c));
    has_open(launch.env("DAEMON_SETUP", setup), &[(4, a), (6, b), (9, c), (11, kept)]);
}

/// What setup opens anew at the number of an inherited descriptor, being the very same file, is its own.
#[test]
fn setup_opens_the_same_file_again() {
    let family = Family::new();
    let same = file(&family, "same");
    let launch = family.launch(OPENS_IN_SETUP).under(only([], &[(3, &same), (5, &same)]));
    let setup = format!("close=5\nclose=3\nopen={0}\nc_open=/dev/null", same.display());
    has_open(launch.env("DAEMON_SETUP", setup), &[(3, same), (4, "/dev/null".into())]);
}

/// 100,000 of them, or as many as this user may have, but for the first few and `but`.
fn very_many(but: i32, file: &Path) -> Condition {
    let file = file.to_path_buf();
    Box::new(move || {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let most = if setrlimit(Resource::RLIMIT_NOFILE, 100_000, 100_000).is_ok() { 100_000 } else { hard };
        setrlimit(Resource::RLIMIT_NOFILE, most, hard.max(most))?;
        only(16..most as i32, &[(but, &file)])()
    })
}

#[test]
fn a_hundred_thousand_descriptors() {
    for program in PROGRAMS {
        let family = Family::new();
        let kept = file(&family, "kept");
        let launch = family.launch(program).under(very_many(7000, &kept)).env("DAEMON_KEEP_FDS", "7000");
        let started = Instant::now();
        has_open(launch, &[(7000, kept)]);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
}

/// With setup's own among them, at low and at high numbers. What it closes at the end is left to the launch.
#[test]
fn a_hundred_thousand_descriptors_and_those_of_setup() {
    let family = Family::new();
    let [low, a, b, kept] = ["low", "a", "b", "kept"].map(|name| file(&family, name));
    let fill = format!("open={}\n", low.display()).repeat(13);
    let free = (6000..6012).map(|number| format!("\nclose={number}")).collect::<String>();
    let setup = format!("{fill}close=5000\nopen={}\nclose=5001\nc_open={}{free}", a.display(), b.display());
    let launch = family.launch(OPENS_IN_SETUP).under(very_many(7000, &kept)).env("DAEMON_KEEP_FDS", "7000");
    let mut expected: Vec<(i32, PathBuf)> = (3..16).map(|number| (number, low.clone())).collect();
    expected.extend([(5000, a), (5001, b), (7000, kept)]);
    has_open(launch.env("DAEMON_SETUP", setup), &expected);
}

/// One descriptor is free, which the dynamic linker needs, and none for the launch.
#[test]
fn no_descriptor_is_free() {
    let family = Family::new();
    let full: Condition = Box::new(|| {
        setrlimit(Resource::RLIMIT_NOFILE, 64, 64)?;
        only(4..64, &[])()
    });
    let end = family.launch(READY).under(full).run();
    assert!(end.status.code().is_some_and(|code| code != 0), "{end:#?}");
    end.assert_one_line().assert_says(&["raise the limit"]);
    family.assert_gone();
}

// ---- Without /proc

const NO_PROC: &str = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";

fn hide_proc<'a>(family: &'a Family, program: &str) -> Launch<'a> {
    family.launch("unshare").args(["--mount", "sh", "-c", NO_PROC, program])
}

/// Where nothing but literals stands before the start, nobody else can have opened a descriptor.
#[cfg(not(target_env = "musl"))] // It does not tell of threads.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: threads are counted in /proc")]
fn without_proc() {
    let family = Family::new();
    let [a, b] = ["a", "b"].map(|name| file(&family, name));
    let open = [(3, &*a), (9, &a), (10, &b), (17, &b), (29, &a)];
    has_open(hide_proc(&family, LITERAL_KEPT).under(only(3..30, &open)), &[(9, a.clone()), (17, b.clone())]);
}

/// Each number below the limit is asked for, and what setup has opened stays.
#[cfg(not(target_env = "musl"))] // It does not tell of threads.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: threads are counted in /proc")]
fn without_proc_but_with_code() {
    for program in [READY, OPENS_IN_SETUP] {
        let family = Family::new();
        let [mine, inherited] = ["mine", "inherited"].map(|name| file(&family, name));
        let launch = hide_proc(&family, program).under(only(3..30, &[(7, &inherited)]));
        let launch = launch.env("DAEMON_SETUP", format!("open={}", mine.display()));
        launch.args(["notify", "touch=body", "pause"]).run().assert_code(0);
        let open: Vec<PathBuf> = family.daemon().fds.into_values().skip(3).collect();
        let expected = if program == OPENS_IN_SETUP { vec![mine] } else { open.clone() };
        assert_eq!(open, expected, "{program}");
        assert!(!open.contains(&inherited), "{program}: an inherited descriptor is still open");
    }
}

/// What was opened before the limit was lowered is below the hard limit.
#[cfg(not(target_env = "musl"))] // It does not tell of threads.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: threads are counted in /proc")]
fn without_proc_and_above_the_soft_limit() {
    let family = Family::new();
    let [inherited, kept] = ["inherited", "kept"].map(|name| file(&family, name));
    let open = only([], &[(5, &inherited), (700, &inherited), (900, &kept), (1023, &inherited)]);
    let lower: Condition = Box::new(|| Ok(setrlimit(Resource::RLIMIT_NOFILE, 64, 1024)?));
    let launch = hide_proc(&family, READY).under(open).under(lower).env("DAEMON_KEEP_FDS", "900");
    has_open(launch.args(["notify", "touch=body", "pause"]), &[(900, kept)]);
}

// ---- Passed sockets

/// The pid of the shell, and then of the program that takes its place.
const OWN: &str = "$$";

/// The launch of `program` with these sockets as descriptors 3 and following, passed to process `pid`.
fn passed_to<'a>(
    family: &'a Family,
    program: &str,
    pid: &str,
    names: Option<&str>,
    sockets: Vec<OwnedFd>,
) -> Launch<'a> {
    let launch = family.shell(&format!("LISTEN_PID=\"{pid}\" exec \"$0\" \"$@\""), [program]);
    let launch = launch.env("LISTEN_FDS", sockets.len().to_string());
    let launch = names.into_iter().fold(launch, |launch, names| launch.env("LISTEN_FDNAMES", names));
    let sockets: Vec<OwnedFd> = sockets.into_iter().map(moved_up).collect();
    launch.under(Box::new(move || {
        hostile::descriptors(LAST)()?;
        sockets.iter().zip(3..).try_for_each(|(socket, number)| put(socket.try_clone()?, number))
    }))
}

/// The last number that is in use before sockets are put in their places.
const LAST: i32 = 30;

/// The same with a higher number: with a low one it would lie where another is put.
fn moved_up(socket: OwnedFd) -> OwnedFd {
    let mut clones = vec![socket];
    loop {
        match clones.pop().expect("one at least") {
            high if high.as_raw_fd() > LAST => return high,
            low => {
                let clone = low.try_clone().expect("a free number");
                clones.extend([low, clone]);
            }
        }
    }
}

fn sockets() -> (TcpListener, UnixDatagram) {
    (TcpListener::bind("127.0.0.1:0").expect("a free port"), UnixDatagram::unbound().expect("a socket"))
}

/// Whether the first socket is served: by a daemon that has left its start behind.
#[track_caller]
fn served(address: SocketAddr) {
    let mut answer = String::new();
    TcpStream::connect(address).expect("a server").read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "served");
}

fn inode(socket: impl AsFd) -> u64 {
    let clone = socket.as_fd().try_clone_to_owned().expect("an open socket");
    File::from(clone).metadata().expect("an open socket").ino()
}

/// The crates that others use find the sockets, in the daemon, under the names that they were passed with.
#[test]
fn passed_sockets() {
    for (names, expected) in [(Some("web:control"), ["web", "control"]), (None, ["unknown", "unknown"])] {
        let family = Family::new();
        let (listener, control) = sockets();
        let address = listener.local_addr().expect("an address");
        let inodes = [inode(&listener), inode(&control)];
        let launch = passed_to(&family, SOCKET_ACTIVATED, OWN, names, vec![listener.into(), control.into()]);
        let end = launch.run();
        end.assert_code(0).assert_stderr("");
        let [first, second] = expected;
        assert_eq!(end.stdout, format!("sd-notify: 3 {first}\nsd-notify: 4 {second}\nlistenfd: 2\n"));
        served(address);
        let daemon = family.only();
        let others = inodes.map(|inode| format!("socket:[{inode}]").into()).to_vec();
        Expected { others, ..Expected::default() }.assert(&daemon);
        assert_eq!(daemon.fds.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
}

/// Together with others that are to be kept, and a change of user.
#[test]
#[ignore = "needs root"]
fn passed_sockets_for_another_user() {
    let family = Family::new();
    let (listener, control) = sockets();
    let address = listener.local_addr().expect("an address");
    let kept = file(&family, "kept");
    let launch = passed_to(&family, SOCKET_ACTIVATED, OWN, Some("web:control"), vec![listener.into(), control.into()]);
    let launch = launch
        .under({
            let kept = kept.clone();
            Box::new(move || put(File::open(&kept)?, 7))
        })
        .env("DAEMON_KEEP_FDS", "7")
        .env("DAEMON_USER", "nobody");
    let end = launch.run();
    end.assert_code(0).assert_stderr("");
    assert_eq!(end.stdout, "sd-notify: 3 web\nsd-notify: 4 control\nlistenfd: 2\n");
    served(address);
    let daemon = family.only();
    assert_eq!(daemon.fds.keys().copied().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 7]);
    assert_eq!(daemon.fds[&7], kept);
    assert_ne!(daemon.uids, [0; 4]);
}

/// They were passed to another process, which has left them open.
#[test]
fn sockets_passed_to_another_process() {
    for pid in ["$PPID", "1", "0", "-$$", "$$x", ""] {
        let family = Family::new();
        let (listener, control) = sockets();
        let launch = passed_to(&family, READY, pid, None, vec![listener.into(), control.into()]);
        launch.run().assert_code(0).assert_stderr("");
        Expected::default().assert(&family.daemon());
    }
}
