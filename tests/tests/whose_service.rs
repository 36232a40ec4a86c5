//! Who a service's variables are for, and what of an environment a daemon takes over.
#![cfg(linux_alone)] // Systemd's variables, and /proc.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use tests::accounts;
use tests::pty::Pty;
use tests::{Family, Launch, Proc, hostile, until, with};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const PAUSING: &str = env!("CARGO_BIN_EXE_pausing");

/// Whom SYSTEMD_EXEC_PID names.
const OWN: &str = "export SYSTEMD_EXEC_PID=$$; exec \"$0\" \"$@\"";
const PARENT: &str = "export SYSTEMD_EXEC_PID=$$; \"$0\" \"$@\"; exit $?";
const GRANDPARENT: &str = "export SYSTEMD_EXEC_PID=$$; sh -c '\"$0\" \"$@\"; exit $?' \"$0\" \"$@\"; exit $?";
const STRANGER: &str = "export SYSTEMD_EXEC_PID=1; exec \"$0\" \"$@\"";
const NOBODY: &str = "exec \"$0\" \"$@\"";

/// `ready`, started by a line for sh(1), with a NOTIFY_SOCKET.
fn launch<'a>(family: &'a Family, script: &str) -> (UnixDatagram, Launch<'a>) {
    let path = family.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_nonblocking(true).expect("a socket need not wait");
    let launch = family.shell(script, [READY]).env("NOTIFY_SOCKET", path);
    (socket, launch.args(["notify", "touch=body", "wait=go"]))
}

fn told(socket: &UnixDatagram) -> bool {
    let mut message = [0; 100];
    socket.recv(&mut message).is_ok_and(|length| message[..length].starts_with(b"READY=1"))
}

/// NOTIFY_SOCKET is for the process that the service manager has started, and for what a script that it has started runs. Where
/// SYSTEMD_EXEC_PID names anybody else both were inherited, terminal or not.
#[test]
fn notify_socket() {
    for (script, at_terminal, is_waited_for) in [
        (OWN, false, true),
        (OWN, true, true),
        (PARENT, false, true),
        (PARENT, true, true),
        (GRANDPARENT, false, false),
        (GRANDPARENT, true, false),
        (STRANGER, false, false),
        (STRANGER, true, false),
        // As start-stop-daemon --notify-await, and systemd before 248.
        (NOBODY, false, true),
        (NOBODY, true, false),
    ] {
        let family = Family::new();
        let (socket, launch) = launch(&family, script);
        let terminal = Pty::open();
        let launch = if at_terminal { terminal.launch(launch) } else { launch.under(hostile::session_leader()) };
        let running = launch.start();
        let daemon = family.daemon();
        let case = format!("{script} at a terminal: {at_terminal}");
        if is_waited_for {
            until(&format!("{case}: READY=1"), || told(&socket).then_some(()));
            assert!(Proc::lives(daemon.sid), "{case}: it has detached: {daemon:#?}");
            fs::write(family.path("go"), "").expect("a mark");
            running.end().assert_code(0);
        } else {
            running.end().assert_code(0);
            assert!(!Proc::lives(daemon.sid), "{case}: it has not detached: {daemon:#?}");
            assert!(!told(&socket), "{case}: the service was told something");
        }
    }
}

/// What `pausing`, which the daemon becomes, has in its environment.
fn variables(family: &Family) -> (i32, BTreeMap<String, String>) {
    let pausing = family.named("pausing");
    let text = |variable: Vec<u8>| String::from_utf8(variable).expect("these are UTF-8");
    let all = Proc::environ(pausing.pid).into_iter().map(text);
    (pausing.pid, all.filter_map(|it| it.split_once('=').map(|(name, value)| (name.into(), value.into()))).collect())
}

fn becomes_pausing() -> [String; 2] {
    ["notify".into(), format!("exec={PAUSING}")]
}

/// What names descriptors, which a start closes.
const DESCRIPTORS: [(&str, &str); 5] = [
    ("MAKEFLAGS", " -j3 --jobserver-auth=3,4"),
    ("MFLAGS", "-j3 --jobserver-auth=3,4"),
    ("CARGO_MAKEFLAGS", "-j --jobserver-fds=3,4"),
    ("WAYLAND_SOCKET", "3"),
    ("NODE_CHANNEL_FD", "3"),
];

/// Variables that name descriptors go with them, and stay in the foreground, where those stay too.
#[test]
fn variables_that_name_descriptors() {
    for (foreground, stays) in [(false, false), (true, true)] {
        let family = Family::new();
        let launch = DESCRIPTORS.iter().fold(family.launch(READY), |launch, (name, value)| launch.env(name, value));
        let launch = launch.env("MAKELEVEL", "1").args(becomes_pausing());
        let launch = if foreground { launch.env("DAEMON_FOREGROUND", "1") } else { launch };
        let running = launch.start();
        let (_, variables) = variables(&family);
        for (name, value) in DESCRIPTORS {
            let now = variables.get(name).map(|value| &**value);
            assert_eq!(now, stays.then_some(value), "{name}, in the foreground: {foreground}");
        }
        assert_eq!(variables["MAKELEVEL"], "1", "it names no descriptor");
        drop(running);
    }
    // What is asked for by name is kept.
    let family = Family::new();
    let launch = family.launch(READY).env("MAKEFLAGS", "k").env("MFLAGS", "k").args(becomes_pausing());
    launch.env("DAEMON_KEEP_ENV", format!("{},MAKEFLAGS", tests::TAG)).run().assert_code(0);
    let (_, variables) = variables(&family);
    assert_eq!((variables.get("MAKEFLAGS").map(|it| &**it), variables.get("MFLAGS")), (Some("k"), None));
}

/// A real one: the daemon, and what it starts, take nothing for a job server.
#[test]
#[ignore = "needs make"]
fn recipe_of_make() {
    let family = Family::new();
    fs::write(family.path("Makefile"), "start:\n\t+@\"$(APP)\" notify exec=\"$(PAUSING)\"\n").expect("a Makefile");
    let launch = family.launch("make").args(["-j3", "-f"]).arg(family.path("Makefile"));
    launch.env("APP", READY).env("PAUSING", PAUSING).run().assert_code(0);
    let (_, variables) = variables(&family);
    assert!(!DESCRIPTORS.iter().any(|(name, _)| variables.contains_key(*name)), "{variables:?}");
}

/// As in a unit of Type=forking with WatchdogSec=: the pids become the daemon's, whom the watchdog is for then.
#[test]
fn watchdog_of_a_service() {
    let service = "export SYSTEMD_EXEC_PID=$$ PIDFILE=/p WATCHDOG_PID=$$ WATCHDOG_USEC=2000000; exec \"$0\" \"$@\"";
    for keep in [None, Some("WATCHDOG_PID,WATCHDOG_USEC,NOTIFY_SOCKET")] {
        let family = Family::new();
        let path = family.path("notify");
        let _socket = UnixDatagram::bind(&path).expect("a socket");
        let launch = family.shell(service, [env!("CARGO_BIN_EXE_by_methods")]).args(becomes_pausing());
        let launch = launch.env("NOTIFY_SOCKET", &path).env("DAEMON_FOREGROUND", "0");
        let keep = keep.map(|names| format!("{},{names}", tests::TAG));
        let launch = keep.iter().fold(launch, |launch, keep| launch.env("DAEMON_KEEP_ENV", keep));
        launch.run().assert_code(0);
        let (pid, variables) = variables(&family);
        assert_eq!(variables.get("WATCHDOG_PID"), Some(&pid.to_string()), "{keep:?}");
        assert_eq!(variables.get("WATCHDOG_USEC").map(|it| &**it), Some("2000000"), "{keep:?}");
        assert_eq!(variables.get("NOTIFY_SOCKET").map(Path::new), Some(&*path), "{keep:?}");
    }
}

/// Another process's watchdog goes, and is not taken over; so it does with `keep_env`, and the socket with it.
#[test]
fn watchdog_of_another_process() {
    for keep in [false, true] {
        let family = Family::new();
        let launch = family.shell(STRANGER, [READY]).env("WATCHDOG_PID", "1").env("WATCHDOG_USEC", "2000000");
        let launch = launch.env("NOTIFY_SOCKET", family.path("notify")).args(becomes_pausing());
        let launch = if keep { launch.env("DAEMON_KEEP_ENV", tests::TAG) } else { launch };
        launch.run().assert_code(0);
        let (_, variables) = variables(&family);
        for name in ["WATCHDOG_PID", "WATCHDOG_USEC", "NOTIFY_SOCKET"] {
            assert!(!variables.contains_key(name), "{name}, keep_env: {keep}");
        }
    }
}

/// What describes the login session.
const SESSION: [&str; 4] = ["DISPLAY", "XDG_RUNTIME_DIR", "SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS"];

/// A clipboard's agent needs the display, root's too; another user's daemon has no business there.
#[test]
#[ignore = "needs root"]
fn login_session() {
    for (user, stays) in [(None, true), (Some("root"), true), (Some("0"), true), (Some("alice"), false)] {
        let family = accounts::family();
        let launch = accounts::launch(&family, &[], READY).args(becomes_pausing());
        let launch = SESSION.iter().fold(launch, |launch, name| launch.env(name, "x"));
        let launch = user.iter().fold(launch, |launch, user| launch.env("DAEMON_USER", user));
        launch.run().assert_code(0);
        let (_, variables) = variables(&family);
        for name in SESSION {
            assert_eq!(variables.contains_key(name), stays, "{name}, as {user:?}");
        }
    }
}

/// A supervisor's directory and mask stay, unless the program gives others.
#[test]
fn directory_and_mask_in_the_foreground() {
    for (options, directory, umask) in [
        (&[][..], None, 0o027),
        (&[("chdir", "/usr")][..], Some("/usr"), 0o027),
        (&[("umask", "0o077")][..], None, 0o077),
        (&[("chdir", "/"), ("umask", "0o022")][..], Some("/"), 0o022),
    ] {
        let family = Family::new();
        let launch = with(family.launch(READY), options).env("DAEMON_FOREGROUND", "1");
        let _running = launch.cwd(family.directory()).under(hostile::umask(0o027)).start();
        let daemon = family.daemon();
        assert_eq!(daemon.cwd, directory.map_or(family.directory(), Path::new), "{options:?}");
        assert_eq!(daemon.umask, umask, "{options:?}");
    }
}
