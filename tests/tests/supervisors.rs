//! The same program as process 1 of a container, and under the supervisors that Debian has beside systemd.
#![cfg(linux_alone)] // Pid namespaces.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{DEADLINE, Family, Proc, hostile, strerror, until};

const SERVER: &str = env!("CARGO_BIN_EXE_unit_server");

/// The address that the server says it listens on.
fn address(said: &str) -> Option<String> {
    Some(said.split_once("listening on ")?.1.split_once('\n')?.0.to_owned())
}

/// The server's own idea of its pid.
fn ask(address: &str) -> i32 {
    let mut answer = String::new();
    let connected = TcpStream::connect(address).unwrap_or_else(|error| panic!("nobody serves {address}: {error}"));
    { connected }.read_to_string(&mut answer).expect("an answer");
    let pid = answer.split(' ').nth(1).and_then(|pid| pid.parse().ok());
    pid.unwrap_or_else(|| panic!("{answer:?} does not say the pid"))
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("a script can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it can be made executable");
}

// ---- Process 1

#[test]
#[ignore = "needs root"]
fn process_1_runs_and_stops() {
    let family = Family::new();
    let pid_file = family.path("pid");
    let unshare = ["--pid", "--fork", "--kill-child", "--mount-proc", SERVER, "--pid-file"];
    let container = family.launch("unshare").args(unshare).arg(&pid_file).start();
    let address = until("it listens", || address(&container.stdout()));
    assert_eq!(ask(&address), 1);
    assert_eq!(read(&pid_file).as_deref(), Some("1\n"));

    // `docker stop`: from outside of the namespace.
    let server = family.members().into_iter().filter_map(Proc::of).find(|proc| proc.ppid == container.pid());
    let server = server.expect("the child of unshare");
    assert_eq!(server.name, "unit_server");
    kill(Pid::from_raw(server.pid), Signal::SIGTERM).expect("it can be signalled");
    // A process 1 cannot die of SIGTERM itself, but end as if.
    container.end().assert_code(128 + 15);
    assert!(!pid_file.exists(), "the pid file is left");
    family.assert_gone();
}

#[test]
#[ignore = "needs root"]
fn process_1_fails_to_start() {
    let family = Family::new();
    for (fail, code) in [("error", 1), ("panic", 101), ("3", 3)] {
        let unshare = ["--pid", "--fork", "--kill-child", "--mount-proc", SERVER, "--fail", fail];
        family.launch("unshare").args(unshare).run().assert_code(code);
    }
    family.assert_gone();
}

// ---- The foreground

/// What a supervisor has prepared stays as it is.
#[test]
fn foreground_leaves_the_process_as_it_is() {
    let family = Family::new();
    let inherited = family.path("inherited");
    fs::write(&inherited, "").expect("a file");
    let server = family
        .launch(SERVER)
        .arg("--foreground")
        .cwd(family.directory())
        .under(hostile::open(100, inherited.clone()))
        .under(hostile::ignored(&[Signal::SIGUSR1]))
        .under(hostile::umask(0o077))
        .start();
    let pid = ask(&until("it listens", || address(&server.stdout())));
    assert_eq!(pid, server.pid());
    let (server_proc, test) =
        (Proc::of(pid).expect("it runs"), Proc::of(std::process::id() as i32).expect("this runs"));
    assert_eq!((server_proc.pgid, server_proc.sid), (test.pgid, test.sid), "{server_proc:#?}");
    assert!(server_proc.ignored.numbers().contains(&(Signal::SIGUSR1 as i32)), "{server_proc:#?}");
    let fds = &server_proc.fds;
    assert_eq!(fds[&0], Path::new("/dev/null"));
    assert!([1, 2].iter().all(|fd| fds[fd].to_string_lossy().starts_with("pipe:")), "{fds:#?}");
    assert_eq!(fds[&100], inherited);
    let opened: Vec<_> = fds.iter().filter(|(fd, _)| **fd > 2 && **fd != 100).collect();
    let [(_, listener)] = opened[..] else { panic!("not only its listener: {opened:#?}") };
    assert!(listener.to_string_lossy().starts_with("socket:"), "{opened:#?}");
    assert_eq!(server_proc.cwd, family.directory());
    assert_eq!(server_proc.umask, 0o077);
    server.signal(Signal::SIGTERM);
    server.end().assert_signal(Signal::SIGTERM);
}

// ---- NOTIFY_SOCKET

fn receive(socket: &UnixDatagram) -> String {
    socket.set_read_timeout(Some(DEADLINE)).expect("a socket takes a time limit");
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).expect("a notification");
    std::str::from_utf8(&buffer[..length]).expect("notifications are UTF-8").to_owned()
}

fn has(message: &str, line: &str) -> bool {
    message.lines().any(|each| each == line)
}

/// Readiness, at a path and at an abstract address.
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: abstract sockets")]
fn notifies() {
    let family = Family::new();
    let path = family.path("notify");
    let name = format!("daemon-test-{}", std::process::id());
    let abstract_address = SocketAddr::from_abstract_name(&name).expect("an abstract address");
    let path_socket = UnixDatagram::bind(&path).expect("a socket");
    let abstract_socket = UnixDatagram::bind_addr(&abstract_address).expect("a socket");
    let address_of = [(path_socket, path.to_str().expect("UTF-8").to_owned()), (abstract_socket, format!("@{name}"))];
    for (socket, notify_socket) in address_of {
        let server = family.launch(SERVER).env("NOTIFY_SOCKET", &notify_socket).start();
        let message = receive(&socket);
        assert!(has(&message, "READY=1"), "{message:?}");
        let address = until("what it has printed is collected", || address(&server.stdout()));
        assert_eq!(ask(&address), server.pid(), "it has detached");
        server.signal(Signal::SIGTERM);
        server.end().assert_signal(Signal::SIGTERM);
    }
    family.assert_gone();
}

#[test]
fn notify_socket_that_does_not_exist() {
    let family = Family::new();
    let (long, missing) = ("/".repeat(200), family.path("notify"));
    for (address, why) in [(missing.to_str().expect("UTF-8"), Errno::ENOENT), (&long, Errno::ENAMETOOLONG)] {
        let why = strerror(why);
        let end = family.launch(SERVER).env("NOTIFY_SOCKET", address).run();
        end.assert_code(71).assert_one_line().assert_says(&[&format!("NOTIFY_SOCKET {address}: {why}; ")]);
    }
    family.assert_gone();
}

/// The user may have no way to the socket any more.
#[test]
#[ignore = "needs root"]
fn notifies_after_the_user_was_changed() {
    use std::os::unix::fs::PermissionsExt;
    let family = Family::new();
    let directory = family.path("private");
    fs::create_dir(&directory).expect("a directory");
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("its mode");
    let path = directory.join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let server = family.launch(SERVER).args(["--user", "nobody"]).env("NOTIFY_SOCKET", &path).start();
    let message = receive(&socket);
    assert!(has(&message, "READY=1"), "{message:?}");
    assert_ne!(Proc::of(server.pid()).expect("it runs").uids[0], 0);
    server.signal(Signal::SIGTERM);
    server.end().assert_signal(Signal::SIGTERM);
}

/// A failed start: the error in STATUS=, and a number in ERRNO=, without which start-stop-daemon would wait in vain.
#[test]
fn notifies_of_a_failed_start() {
    let family = Family::new();
    let path = family.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let missing = family.path("no-such-directory/pid").display().to_string();
    let failing: &[(&[&str], i32, i32, &str)] = &[
        (&["--pid-file", ""], 64, 0, "cannot use pid_file"),
        (&["--user", "no-such-user"], 67, 0, "cannot find user no-such-user"),
        // ENOENT.
        (&["--pid-file", &missing], 73, 2, &missing),
        (&["--pid-file", &format!("{missing}\nREADY=1\n")], 73, 2, "pid\\nREADY=1\\n: its directory does not exist"),
    ];
    for (args, code, errno, says) in failing {
        family.launch(SERVER).args(*args).env("NOTIFY_SOCKET", &path).run().assert_code(*code);
        let message = receive(&socket);
        assert!(has(&message, &format!("ERRNO={errno}")), "{message:?}");
        let status = message.lines().find(|line| line.starts_with("STATUS=")).expect("a status");
        assert!(status.contains(says), "{message:?}");
        assert!(!has(&message, "READY=1"), "{message:?}");
    }
    // systemd ignores a message that is longer than 4,096 bytes.
    let long = format!("{missing}/{}", format!("{}/", "€".repeat(80)).repeat(15));
    family.launch(SERVER).args(["--pid-file", &long]).env("NOTIFY_SOCKET", &path).run().assert_code(73);
    let message = receive(&socket);
    let status = message.lines().find_map(|line| line.strip_prefix("STATUS=")).expect("a status");
    assert_eq!(status.chars().count(), 1000, "{message:?}");
    socket.set_nonblocking(true).expect("a socket need not wait");
    assert!(socket.recv(&mut [0]).is_err(), "it is told more than once");
}

/// The logs of a program in the foreground are its supervisor's: a SIGHUP does not end it, and nothing is told.
#[test]
fn a_hangup_is_not_told() {
    let family = Family::new();
    let path = family.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    let launch = family.launch(env!("CARGO_BIN_EXE_ready")).env("NOTIFY_SOCKET", &path);
    let launch = launch.env("DAEMON_REOPEN_ON_SIGHUP", "").env("DAEMON_STDERR", family.path("log"));
    let server = launch.args(["touch=early", "wait=go", "notify", "touch=body", "wait=end", "exit=0"]).start();
    for (at, mark) in [("early", "go"), ("body", "end")] {
        family.at(at);
        server.signal(Signal::SIGHUP);
        fs::write(family.path(mark), "").expect("a mark");
    }
    server.end().assert_code(0).assert_stderr("");
    assert_eq!(receive(&socket), "READY=1");
    socket.set_nonblocking(true).expect("a socket need not wait");
    assert!(socket.recv(&mut [0]).is_err(), "a reload is told");
    assert!(!family.path("log").exists(), "a log is opened");
}

/// Only a start can fail: a client's command that is done with code 0 tells nothing.
#[test]
fn no_false_alarm() {
    let family = Family::new();
    let path = family.path("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_nonblocking(true).expect("a socket need not wait");
    let hello = env!("CARGO_BIN_EXE_opens_in_setup");
    family.launch(hello).env("DAEMON_SETUP", "exit=0").env("NOTIFY_SOCKET", &path).run().assert_code(0);
    assert!(socket.recv(&mut [0; 99]).is_err(), "code 0 is told as a failed start");
}

// ---- start-stop-daemon

#[test]
#[ignore = "needs root and start-stop-daemon"]
fn start_stop_daemon() {
    let family = Family::new();
    let (pid_file, output) = (family.path("pid"), family.path("output"));
    let start = ["--start", "--background", "--make-pidfile", "--notify-await", "--notify-timeout", "15"];
    let start =
        family.launch("start-stop-daemon").args(start).arg("--pidfile").arg(&pid_file).arg("--output").arg(&output);
    start.args(["--startas", SERVER]).run().assert_code(0);

    // It has returned, so the server serves; and is what start-stop-daemon has started, not a grandchild of that.
    let address = address(&read(&output).expect("the output")).expect("it listens");
    assert_eq!(ask(&address).to_string(), read(&pid_file).expect("the pid file").trim());

    let stop = ["--stop", "--retry", "TERM/10", "--pidfile"];
    family.launch("start-stop-daemon").args(stop).arg(&pid_file).run().assert_code(0);
    family.assert_gone();
}

#[test]
#[ignore = "needs root and start-stop-daemon"]
fn start_stop_daemon_sees_a_failed_start() {
    let family = Family::new();
    let start = ["--start", "--background", "--notify-await", "--notify-timeout", "15", "--pidfile"];
    let start = family.launch("start-stop-daemon").args(start).arg(family.path("pid"));
    let end = start.args(["--startas", SERVER, "--", "--user", "no-such-user"]).run();
    end.assert_code(2).assert_says(&["failed to initialize"]);
    // It knows at once, and does not wait for the time limit.
    assert!(end.took < Duration::from_secs(10), "{end:#?}");
    family.assert_gone();
}

// ---- runit and s6. They say nothing to the program, so it must be told.

#[test]
#[ignore = "needs runit"]
fn runsv() {
    let family = Family::new();
    let output = family.path("output");
    let output_arg = output.to_str().expect("UTF-8");
    script(&family.path("run"), &format!("#!/bin/sh\nexec '{SERVER}' --foreground >>'{output_arg}'\n"));
    let supervisor = family.launch("runsv").arg(family.directory()).start();
    let address_now = || address(&read(&output)?);
    let first = ask(&until("it listens", address_now));
    let supervised = Proc::of(first).expect("it runs");
    assert_eq!(supervised.ppid, supervisor.pid(), "{supervised:#?}");
    assert_eq!(until("runsv knows it", || read(&family.path("supervise/pid"))).trim(), first.to_string());

    // runsv starts it anew when it ends, so it knows the end of the right process.
    fs::remove_file(&output).expect("what the first has said");
    kill(Pid::from_raw(first), Signal::SIGTERM).expect("it can be signalled");
    assert_ne!(ask(&until("its successor listens", address_now)), first);

    family.launch("sv").args(["-w", "10", "exit"]).arg(family.directory()).run().assert_code(0);
    supervisor.end().assert_code(0);
    family.assert_gone();
}

#[test]
#[ignore = "needs s6"]
fn s6_supervise() {
    let family = Family::new();
    let service = family.path("service");
    fs::create_dir(&service).expect("a directory");
    let output = family.path("output");
    let output_arg = output.to_str().expect("UTF-8");
    script(&service.join("run"), &format!("#!/bin/sh\nexec '{SERVER}' --foreground >>'{output_arg}'\n"));
    let supervisor = family.launch("s6-supervise").arg(&service).start();
    let address_now = || address(&read(&output)?);
    let first = ask(&until("it listens", address_now));
    let supervised = Proc::of(first).expect("it runs");
    assert_eq!(supervised.ppid, supervisor.pid(), "{supervised:#?}");
    let status = family.launch("s6-svstat").args(["-o", "pid"]).arg(&service).run();
    assert_eq!(status.assert_code(0).stdout.trim(), first.to_string());

    fs::remove_file(&output).expect("what the first has said");
    kill(Pid::from_raw(first), Signal::SIGTERM).expect("it can be signalled");
    assert_ne!(ask(&until("its successor listens", address_now)), first);

    family.launch("s6-svc").args(["-dx", "-wD", "-T", "10000"]).arg(&service).run().assert_code(0);
    supervisor.end().assert_code(0);
    family.assert_gone();
}
