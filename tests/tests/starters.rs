//! What the program does wherever it is started, decided by itself: a row of the manual's table is a test here.
//!
//! It *detaches*: who started it gets the launcher's exit code, and the daemon has nothing of what started it. Or it
//! *stays*: the very process that was started is the daemon, in the foreground.
#![cfg(linux_alone)] // Namespaces, emulators, and whatever else /proc tells of.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use tests::accounts::{self, AS_ALICE, Who, launch_as};
use tests::pty::Pty;
use tests::starter::{self, CONTAINER};
use tests::systemd::{PROGRAMS, Systemd};
use tests::{Expected, Family, Launch, Proc, Running, TAG, hostile, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");
const FIXTURES: [&str; 4] =
    [env!("CARGO_BIN_EXE_literal"), env!("CARGO_BIN_EXE_without_ready"), READY, env!("CARGO_BIN_EXE_by_hand")];

/// Starts it, and fails unless it detaches: what started it ends well, and the daemon is as it always is.
#[track_caller]
fn assert_detaches(launch: Launch<'_>) {
    let family = launch.family();
    launch.run().assert_code(0);
    let daemon = family.daemon();
    // What was run may not have waited for the launcher: tmux does not.
    until("the launcher has gone", || Proc::is_reaper(Proc::of(daemon.pid)?.ppid).then_some(()));
    Expected::default().assert(&Proc::of(daemon.pid).expect("it runs"));
}

/// Starts it, and fails unless it stays: whoever started it waits, and the only process of the program is in the session
/// that it was started in.
#[track_caller]
fn assert_stays(launch: Launch<'_>) -> Running<'_> {
    let family = launch.family();
    let mut running = launch.start();
    until("the body", || {
        assert!(!running.has_ended(), "it detaches, or fails: {:?}", running.stderr());
        family.path("body").is_symlink().then_some(())
    });
    let daemons: Vec<Proc> =
        family.members().into_iter().filter_map(Proc::of).filter(|it| it.name == "ready").collect();
    let [daemon] = &daemons[..] else { panic!("not one process, but {daemons:#?}") };
    // The leader of the tests' own session may be outside of their pid namespace: that is session 0.
    let own = Proc::of(std::process::id() as i32).expect("this process").sid;
    assert!(daemon.sid == own || Proc::lives(daemon.sid), "its session has no leader: {daemon:#?}");
    running
}

/// An executable script. It is not written by this process, whose children could still have it open when it is executed.
fn script(family: &Family, name: &str, text: &str) {
    let write = "mkdir -p \"${1%/*}\" && printf '%s' \"$0\" > \"$1\" && chmod 755 \"$1\"";
    family.shell(write, [text.as_ref(), family.path(name).as_os_str()]).run().assert_code(0);
}

// ---- By a person or a script

#[test]
fn shell() {
    let family = Family::new();
    let end = family.shell("\"$0\" && echo up", [READY]).run();
    assert_eq!(end.assert_code(0).stdout, "up\n");
    Expected::default().assert(&family.daemon());
}

#[test]
fn nohup() {
    for program in FIXTURES {
        let family = Family::new();
        family.launch("nohup").arg(program).run().assert_code(0);
        Expected::default().assert(&family.daemon());
    }
}

/// A shell's background job: SIGINT and SIGQUIT are ignored, stdin is `/dev/null`.
#[test]
fn background_job() {
    for program in FIXTURES {
        let family = Family::new();
        family.shell("\"$0\" & wait $!", [program]).run().assert_code(0);
        Expected::default().assert(&family.daemon());
    }
}

/// Both ends of a pipeline, and a command substitution.
#[test]
fn pipes() {
    for program in FIXTURES {
        for command in ["x=$(\"$0\")", "echo | \"$0\"", "\"$0\" | cat", "\"$0\" 2>&1 | cat >&2", "echo | \"$0\" | cat"]
        {
            let family = Family::new();
            family.shell(command, [program]).run().assert_code(0).assert_stderr("");
            Expected::default().assert(&family.daemon());
        }
    }
}

#[test]
fn setsid() {
    assert_detaches(Family::new().through(&["setsid", "--wait"], READY));
}

#[test]
fn empty_environment() {
    let family = Family::new();
    let tag = format!("{TAG}={}", family.directory().display());
    assert_detaches(family.through(&["env", "-i", &tag], READY));
}

/// As ssh does: a shell at a terminal, which is closed when the shell has ended.
#[test]
fn remote_login() {
    let family = Family::new();
    let terminal = Pty::open();
    let shell = terminal.launch(family.shell("\"$0\"", [READY]).env("SSH_CONNECTION", "::1 1 ::1 22"));
    shell.run().assert_code(0);
    let daemon = family.daemon();
    terminal.close();
    Expected::default().assert(&Proc::of(daemon.pid).expect("it survives the terminal"));
}

/// `ssh host app`: no terminal, and the connection ends when nobody holds the pipes any more.
#[test]
fn remote_command() {
    let family = Family::new();
    assert_detaches(family.shell("\"$0\"", [READY]).under(hostile::session_leader()));
}

/// With make's job server, whose pipe must not stay open.
#[test]
#[ignore = "needs make"]
fn make() {
    let family = Family::new();
    fs::write(family.path("Makefile"), "start:\n\t+\"$(APP)\"\n").expect("a Makefile");
    assert_detaches(family.launch("make").args(["-j2", "-f"]).arg(family.path("Makefile")).env("APP", READY));
}

/// A session without a terminal, hardly any environment, and a pipe to the mail that waits until it is closed.
#[test]
fn cron() {
    let family = Family::new();
    let launch = family.launch("/bin/sh").arg("-c").arg(format!("'{READY}'")).cwd("/").env("SHELL", "/bin/sh");
    assert_detaches(launch.env("HOME", "/root").env("LOGNAME", "root").under(hostile::session_leader()));
}

/// As sudo, su and doas: another user, at the same terminal.
#[test]
#[ignore = "needs root"]
fn sudo() {
    let family = accounts::family();
    launch_as(&family, &AS_ALICE, READY).run().assert_code(0);
    let daemon = family.daemon();
    Who::new(accounts::ALICE, accounts::ALICE, &[]).assert(&daemon);
    Expected::default().assert(&daemon);
}

#[test]
#[ignore = "needs tmux"]
fn tmux() {
    assert_detaches(starter::tmux(&Family::new(), &format!("'{READY}'")));
}

/// tmux, itself started by a service, hands on the service's NOTIFY_SOCKET. It is not for what is started at a terminal.
#[test]
#[ignore = "needs tmux"]
fn tmux_of_a_service() {
    let family = Family::new();
    let socket = UnixDatagram::bind(family.path("notify")).expect("a socket");
    let session = format!("'{READY}'; echo $? > '{}'", family.path("code").display());
    starter::tmux(&family, &session).env("NOTIFY_SOCKET", family.path("notify")).run().assert_code(0);
    let code = until("the launcher's end", || fs::read_to_string(family.path("code")).ok().filter(|it| !it.is_empty()));
    assert_eq!(code, "0\n", "the exit code of the launcher");
    Expected::default().assert(&family.daemon());
    socket.set_nonblocking(true).expect("a socket need not wait");
    assert!(socket.recv(&mut [0; 100]).is_err(), "the service was told something");
}

// ---- By a supervisor that says so

#[test]
fn notify_socket() {
    let family = Family::new();
    let socket = UnixDatagram::bind(family.path("notify")).expect("a socket");
    let launch = family.launch(READY).env("NOTIFY_SOCKET", family.path("notify"));
    let _running = assert_stays(launch.under(hostile::session_leader()));
    let mut message = [0; 100];
    let length = socket.recv(&mut message).expect("a message");
    assert!(message[..length].starts_with(b"READY=1"), "{:?}", String::from_utf8_lossy(&message[..length]));
}

/// As a shell script clears it: sd_notify(3) says that it is then as good as unset.
#[test]
fn empty_notify_socket() {
    assert_detaches(Family::new().launch(READY).env("NOTIFY_SOCKET", ""));
}

#[test]
#[ignore = "needs Debian's start-stop-daemon"]
fn start_stop_daemon() {
    let family = Family::new();
    let arguments = ["--start", "--quiet", "--pidfile"];
    let start = family.launch("start-stop-daemon").args(arguments).arg(family.path("pid"));
    assert_detaches(start.args(["--startas", READY]));
}

/// With `--background` it waits for READY=1, and the program need not detach.
#[test]
#[ignore = "needs Debian's start-stop-daemon"]
fn start_stop_daemon_in_the_background() {
    let family = Family::new();
    let arguments = ["--start", "--quiet", "--background", "--make-pidfile", "--notify-await", "--pidfile"];
    let start = family.launch("start-stop-daemon").args(arguments).arg(family.path("pid"));
    start.args(["--startas", READY]).run().assert_code(0);
    let pid = fs::read_to_string(family.path("pid")).expect("start-stop-daemon's pid file");
    assert_eq!(pid.trim(), family.daemon().pid.to_string(), "the process that start-stop-daemon has started");
}

/// Sockets that wait for the first connection: LISTEN_PID.
#[test]
#[ignore = "needs systemd-socket-activate"]
fn passed_sockets() {
    let family = Family::new();
    let socket = family.path("socket");
    // It hands on nothing of its own environment but what it is told.
    let tag = format!("--setenv={TAG}={}", family.directory().display());
    let activate = family.launch("systemd-socket-activate").arg("--listen").arg(&socket).arg(tag);
    let running = activate.arg(READY).start();
    let _connection = until("a listener", || UnixStream::connect(&socket).ok());
    assert_eq!(family.daemon().pid, running.pid(), "the process that was started");
}

// ---- By a supervisor that says nothing: the program has to be told

#[test]
#[ignore = "needs runit"]
fn runit() {
    let family = Family::new();
    script(&family, "service/run", &format!("#!/bin/sh\nDAEMON_FOREGROUND= exec '{READY}'\n"));
    let supervisor = assert_stays(family.launch("runsv").arg(family.path("service")));
    assert_eq!(family.daemon().ppid, supervisor.pid(), "runsv's child");
}

#[test]
#[ignore = "needs s6"]
fn s6() {
    let family = Family::new();
    script(&family, "service/run", &format!("#!/bin/sh\nDAEMON_FOREGROUND= exec '{READY}'\n"));
    let supervisor = assert_stays(family.launch("s6-supervise").arg(family.path("service")));
    assert_eq!(family.daemon().ppid, supervisor.pid(), "s6-supervise's child");
}

#[test]
#[ignore = "needs daemontools"]
fn daemontools() {
    let family = Family::new();
    script(&family, "service/run", &format!("#!/bin/sh\nDAEMON_FOREGROUND= exec '{READY}'\n"));
    let supervisor = assert_stays(family.launch("supervise").arg(family.path("service")));
    assert_eq!(family.daemon().ppid, supervisor.pid(), "supervise's child");
}

#[test]
#[ignore = "needs supervisord"]
fn supervisord() {
    let family = Family::new();
    let directory = family.directory().display();
    let program = format!(
        "[supervisord]\nnodaemon=true\nlogfile={directory}/supervisord.log\npidfile={directory}/supervisord.pid\n\
         [program:ready]\ncommand={READY}\nenvironment=DAEMON_FOREGROUND=\"1\"\n"
    );
    fs::write(family.path("supervisord.conf"), program).expect("a configuration");
    let launch = family.launch("supervisord").arg("-c").arg(family.path("supervisord.conf"));
    let supervisor = assert_stays(launch.cwd(family.directory()));
    assert_eq!(family.daemon().ppid, supervisor.pid(), "supervisord's child");
}

/// As `nowait` of inetd(8) and xinetd(8): the connection is all three streams. The daemon lets go of it.
#[test]
fn inetd() {
    let family = Family::new();
    let (mut client, server) = UnixStream::pair().expect("a connection");
    let end = || OwnedFd::from(server.try_clone().expect("a descriptor"));
    let launch = family.launch(READY).stdin(end()).stdout(end()).stderr(end()).under(hostile::session_leader());
    drop(server);
    assert_detaches(launch);
    let mut said = String::new();
    client.read_to_string(&mut said).expect("the end of the connection");
    assert_eq!(said, "", "what the client gets");
}

// ---- In a container

/// `docker run`: the end of process 1 is the end of the container.
#[test]
#[ignore = "needs root"]
fn container_without_init() {
    assert_stays(Family::new().through(&CONTAINER, READY));
}

/// `docker run --init`: the end of the program is the end of the container.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root and tini")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: containers are Linux")]
fn container_with_tini() {
    assert_stays(Family::new().through(&starter::container(&["tini", "--"]), READY));
}

/// The same under the other names that such an init has.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root and tini")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: containers are Linux")]
fn container_with_an_init_of_another_name() {
    for name in ["init", "tini-static", "docker-init", "podman-init", "(sd-stubinit)"] {
        let family = Family::new();
        let init = family.path(name);
        family.shell("cp \"$(command -v tini)\" \"$0\"", [init.as_os_str()]).run().assert_code(0);
        assert_stays(family.through(&starter::container(&[init.to_str().expect("text"), "--"]), READY));
    }
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root and catatonit")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: containers are Linux")]
fn container_with_catatonit() {
    assert_stays(Family::new().through(&starter::container(&["catatonit", "--"]), READY));
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root and dumb-init")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: containers are Linux")]
fn container_with_dumb_init() {
    assert_stays(Family::new().through(&starter::container(&["dumb-init"]), READY));
}

/// An entry script starts daemons and stays itself.
#[test]
#[ignore = "needs root"]
fn container_with_a_shell() {
    let family = Family::new();
    let shell = ["sh", "-c", "\"$0\" && : > \"$DAEMON_TEST_FAMILY/up\"; exec sleep 1000"];
    let _container = family.through(&starter::container(&shell), READY).start();
    until("the launcher's success", || family.path("up").exists().then_some(()));
    let daemon = family.named("ready");
    assert!(!Proc::lives(daemon.sid), "its session has a leader: {daemon:#?}");
    assert_eq!(Proc::of(daemon.ppid).expect("its parent").name, "sleep", "who has adopted it: {daemon:#?}");
}

/// Its parent is a shell, process 1 of an inner namespace, but /proc is the outer one's, whose process 1 is an init.
#[test]
#[ignore = "needs root and tini"]
fn container_with_the_proc_of_an_outer_one() {
    let family = Family::new();
    let inner = [
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        "\"$0\" && : > \"$DAEMON_TEST_FAMILY/up\"; sleep 1000",
    ];
    let _container = family.through(&starter::container(&[&["tini", "--"], &inner[..]].concat()), READY).start();
    until("the launcher's success", || family.path("up").exists().then_some(()));
    let daemon = family.named("ready");
    assert!(!Proc::lives(daemon.sid), "its session has a leader: {daemon:#?}");
}

/// `docker exec`: its parent is in no namespace that it can see.
#[test]
#[ignore = "needs root"]
fn container_entered_later() {
    let family = Family::new();
    let _container = family.through(&CONTAINER, "sleep").arg("1000").start();
    let init = family.named("sleep");
    let target = init.pid.to_string();
    family.through(&["nsenter", "--target", &target, "--pid", "--mount"], READY).run().assert_code(0);
    let daemon = family.named("ready");
    assert!(!Proc::lives(daemon.sid), "its session has a leader: {daemon:#?}");
    assert_eq!(daemon.ppid, init.pid, "who has adopted it: {daemon:#?}");
}

// ---- Before a program that keeps the log

/// `Stream::Inherit`: what the daemon prints goes on to multilog, before and after it is ready, and who it is.
#[test]
#[ignore = "needs root and multilog"]
fn multilog() {
    for user in ["root", "nobody"] {
        let family = Family::new();
        let launch = family.shell("\"$0\" \"$@\" 2>&1 | multilog ./logs", [READY]).cwd(family.directory());
        let launch = launch.env("DAEMON_STDOUT", "INHERIT").env("DAEMON_STDERR", "INHERIT").env("DAEMON_USER", user);
        let running = launch.args(["print=before", "notify", "eprint=after", "pause"]).start();
        let log = || fs::read_to_string(family.path("logs/current")).ok().filter(|log| log.lines().count() >= 2);
        assert_eq!(until("both lines", log), "before\nafter\n", "as {user}");
        let daemon = family.named("ready");
        assert!(!Proc::lives(daemon.sid), "its session has a leader: {daemon:#?}");
        drop(running);
    }
}

// ---- By an emulator or an instrument

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs qemu-user")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: an emulator's threads are told from the program's")]
fn qemu_user() {
    let family = Family::new();
    let end = family.through(&starter::qemu(), READY).run();
    if cfg!(target_env = "musl") {
        // It does not tell that the thread is the emulator's, and not the program's.
        end.assert_code(70).assert_one_line().assert_says(&["the process already has "]);
        return;
    }
    end.assert_code(0);
    let daemon = family.daemon();
    assert!(!Proc::lives(daemon.sid), "its session has a leader: {daemon:#?}");
}

/// With a directory of libraries, which the emulator shows in place of `/`, as cross compilers have one: root's log is found all the same.
#[cfg(not(target_env = "musl"))]
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root and qemu-user")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: an emulator's threads are told from the program's")]
fn qemu_user_with_a_directory_of_libraries() {
    let family = Family::new();
    let [libraries, log, pid_file] = ["libraries", "log", "pid"].map(|name| family.path(name));
    fs::create_dir(&libraries).expect("a directory");
    let [qemu] = starter::qemu();
    let launch = family.through(&[qemu.as_ref(), "-L".as_ref(), libraries.as_os_str()], READY);
    let launch = launch.env("DAEMON_STDERR", &log).env("DAEMON_PID_FILE", &pid_file);
    launch.args(["notify", "eprint=text", "touch=body", "pause"]).run().assert_code(0);
    family.daemon();
    assert_eq!(fs::read_to_string(log).expect("the log"), "text\n");
    assert!(pid_file.exists());
}

#[test]
#[ignore = "needs valgrind"]
fn valgrind() {
    let family = Family::new();
    family.through(&starter::valgrind(&family), READY).run().assert_code(0);
    for entry in family.directory().read_dir().expect("the family's directory") {
        let path = entry.expect("an entry").path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("valgrind.")) {
            assert_eq!(fs::read_to_string(&path).expect("a log"), "", "errors in {}", path.display());
        }
    }
    let daemon = family.daemon();
    assert!(!Proc::lives(daemon.sid), "its session has a leader: {daemon:#?}");
}

// ---- By systemd

/// Starts the fixture as a unit. Its main process is the daemon; it leads its session if it stays.
fn assert_unit(kind: &str, more: &str, stays: bool) {
    let (systemd, name) = (Systemd::shared(), format!("starter-{kind}"));
    let directory = format!("/run/{name}");
    let unit = format!(
        "[Service]\nType={kind}\nRuntimeDirectory={name}\nEnvironment={TAG}={directory}\n{more}\n\
         ExecStart={PROGRAMS}/ready touch=starting notify touch=body pause\n"
    );
    systemd.units(&[(&format!("{name}.service"), &unit)]);
    let started = systemd.systemctl(&["start", &name]);
    assert!(started.status.success(), "{started:?}\n{:#?}", systemd.journal(&name));
    let body = until("the body", || fs::read_link(systemd.path(&directory).join("body")).ok());
    let main = systemd.property(&name, "MainPID");
    assert_eq!(main, body.to_string_lossy(), "the main process is the daemon");
    let stat = systemd.run("cat", [&*format!("/proc/{main}/stat")]).stdout;
    let session = String::from_utf8(stat).expect("ASCII").split(' ').nth(5).map(str::to_owned);
    assert_eq!(session.as_ref() == Some(&main), stays, "it stays in the session that systemd made for it");
    assert!(systemd.systemctl(&["stop", &name]).status.success(), "{:#?}", systemd.journal(&name));
}

#[test]
#[ignore = "needs root and systemd"]
fn systemd_notify() {
    assert_unit("notify", "", true);
}

#[test]
#[ignore = "needs root and systemd"]
fn systemd_exec() {
    assert_unit("exec", "", true);
}

#[test]
#[ignore = "needs root and systemd"]
fn systemd_simple() {
    assert_unit("simple", "", true);
}

/// `PIDFile=` tells this type from the others.
#[test]
#[ignore = "needs root and systemd"]
fn systemd_forking() {
    let pid_file = "/run/starter-forking/pid";
    assert_unit("forking", &format!("PIDFile={pid_file}\nEnvironment=DAEMON_PID_FILE={pid_file}"), false);
}

// ---- The guide

/// Its rows, and the tests that show each.
const ROWS: &[(&str, &[&str])] = &[
    ("a shell, at a terminal", &["shell", "pipes"]),
    ("a shell, in the background (`&`), or by nohup(1)", &["background_job", "nohup"]),
    ("a shell in tmux that a service has started", &["tmux", "tmux_of_a_service"]),
    ("a program of the desktop, or a script of a CI runner, that is a service", &["whose_service::notify_socket"]),
    ("ssh(1), with or without a terminal", &["remote_login", "setsid"]),
    ("make(1)", &["make"]),
    ("cron(8)", &["cron"]),
    ("sudo(8), setpriv(1)", &["sudo"]),
    ("`env -i`", &["empty_environment"]),
    ("start-stop-daemon(8)", &["start_stop_daemon", "start_stop_daemon_in_the_background"]),
    ("systemd, `Type=notify`", &["notify_socket", "systemd_notify"]),
    ("systemd, `Type=exec` or `simple`", &["systemd_exec", "systemd_simple"]),
    ("systemd, `Type=forking` with `PIDFile=`", &["systemd_forking"]),
    ("systemd, a socket unit", &["passed_sockets"]),
    ("runit, s6, daemontools, supervisord", &["runit", "s6", "daemontools", "supervisord"]),
    ("inetd(8)", &["inetd"]),
    ("a container, as process 1", &["container_without_init"]),
    (
        "a container with an init (`docker run --init`: tini, dumb-init, catatonit)",
        &[
            "container_with_tini",
            "container_with_an_init_of_another_name",
            "container_with_dumb_init",
            "container_with_catatonit",
        ],
    ),
    ("a container whose process 1 is a shell", &["container_with_a_shell"]),
    ("`docker exec`", &["container_entered_later"]),
    ("qemu-user, valgrind", &["qemu_user", "valgrind"]),
];

#[test]
fn each_row_of_the_guide_is_a_test() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../daemon-runtime/src/guide/systemd.md");
    let guide = fs::read_to_string(root).expect("the guide");
    let (_, table) = guide.split_once("| --- | --- | --- |\n").expect("a table");
    let rows: Vec<&str> = table.lines().map_while(|row| row.strip_prefix("| ")?.split(" | ").next()).collect();
    assert_eq!(rows, ROWS.iter().map(|(row, _)| *row).collect::<Vec<_>>());
    for test in ROWS.iter().flat_map(|(_, tests)| *tests) {
        let (source, name) = match test.strip_prefix("whose_service::") {
            Some(name) => (include_str!("whose_service.rs"), name),
            None => (include_str!("starters.rs"), *test),
        };
        assert!(source.contains(&format!("\nfn {name}() {{")), "there is no test {test}");
    }
}
