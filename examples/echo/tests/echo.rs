//! The life of an echo server: started, used, controlled, stopped.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

#[cfg(target_os = "linux")]
use tests::starter;
use tests::{DEADLINE, End, Family, Launch, Proc, until};

const ECHO: &str = env!("CARGO_BIN_EXE_echo-server");

/// A command, all in the family's directory and on a free port.
fn echo<'a>(family: &'a Family, command: &str) -> Launch<'a> {
    let words = ["--listen", "127.0.0.1:0", "--pid-file", "pid", "--log", "log", "--greeting", "greeting"];
    family.launch(ECHO).cwd(family.directory()).arg(command).args(words)
}

/// A family with a greeting, and with a server that has it.
fn started() -> (Family, Server) {
    let family = Family::new();
    fs::write(family.path("greeting"), "hello\n").expect("a file in the directory");
    let server = Server::of(&family, &echo(&family, "start").run());
    (family, server)
}

struct Server {
    address: String,
    pid: i32,
}

impl Server {
    fn of(family: &Family, start: &End) -> Server {
        start.assert_code(0).assert_stderr("");
        Server { address: address(&start.stdout), pid: number(&family.path("pid")) }
    }

    fn client(&self) -> Client {
        Client::of(&self.address)
    }
}

/// What the last line says after "listening on".
fn address(said: &str) -> String {
    let line = said.lines().last().unwrap_or_default();
    line.strip_prefix("listening on ").unwrap_or_else(|| panic!("no address in {said:?}")).into()
}

fn number(file: &Path) -> i32 {
    text(file).trim().parse().expect("a number")
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()))
}

struct Client(BufReader<TcpStream>);

impl Client {
    fn of(address: &str) -> Client {
        let stream = TcpStream::connect(address).expect("somebody listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        Client(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        line
    }

    #[track_caller]
    fn assert_echoes(&mut self, line: &str) {
        self.0.get_mut().write_all(line.as_bytes()).expect("it reads");
        assert_eq!(self.line(), line);
    }

    /// Says that nothing more comes, and expects the same.
    #[track_caller]
    fn assert_ends(mut self) {
        self.0.get_mut().shutdown(Shutdown::Write).expect("it is connected");
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).expect("it is still there");
        assert_eq!(rest, "");
    }
}

#[test]
fn serves_and_is_controlled() {
    let (family, server) = started();
    let mut clients = [server.client(), server.client()];
    for client in &mut clients {
        assert_eq!(client.line(), "hello\n");
        client.assert_echoes("one\n");
        client.assert_echoes("two\n");
    }
    clients.into_iter().for_each(Client::assert_ends);
    until("the log of a client", || text(&family.path("log")).contains(": 8 bytes\n").then_some(()));

    let status = echo(&family, "status").run();
    status.assert_code(0).assert_stderr("");
    assert_eq!(status.stdout, format!("running as process {}\n", server.pid));

    let again = echo(&family, "start").run();
    again.assert_code(0);
    assert_eq!(again.stdout, format!("already running as process {}\n", server.pid));
    assert_eq!(family.only().pid, server.pid);

    let stop = echo(&family, "stop").run();
    stop.assert_code(0).assert_stderr("");
    assert_eq!(stop.stdout, format!("stopped process {}\n", server.pid));
    family.assert_nothing_left(&family.path("pid"));
}

/// The table of the process, and nothing that the launch has left in it.
#[cfg(target_os = "linux")]
#[test]
fn is_a_daemon() {
    let (family, server) = started();
    let daemon = Proc::of(server.pid).expect("it runs");
    assert!(Proc::is_reaper(daemon.ppid), "{daemon:#?}");
    assert_ne!(daemon.sid, daemon.pid, "it leads its session: {daemon:#?}");
    assert_eq!(daemon.sid, daemon.pgid, "it left its group: {daemon:#?}");
    assert_eq!(daemon.tty, 0, "it has a terminal: {daemon:#?}");
    assert_eq!(daemon.cwd, Path::new("/"));
    for (stream, target) in [(0, Path::new("/dev/null")), (1, &family.path("log")), (2, &family.path("log"))] {
        assert_eq!(daemon.fds[&stream], target, "{daemon:#?}");
    }
}

/// A reload reads the greeting and opens the log anew, and loses no client.
#[test]
fn reloads() {
    let (family, server) = started();
    let mut old = server.client();
    assert_eq!(old.line(), "hello\n");

    fs::write(family.path("greeting"), "welcome\n").expect("a file in the directory");
    fs::rename(family.path("log"), family.path("log.1")).expect("a log");
    echo(&family, "reload").run().assert_code(0).assert_stderr("");
    until("a new log", || fs::read_to_string(family.path("log")).is_ok_and(|log| log == "reloaded\n").then_some(()));
    assert_eq!(server.client().line(), "welcome\n");

    // Without a greeting to read the old one stays.
    fs::remove_file(family.path("greeting")).expect("a greeting");
    family.launch(ECHO).args(["reload", "--pid-file"]).arg(family.path("pid")).run().assert_code(0);
    until("the reason", || text(&family.path("log")).contains("greeting: No such file").then_some(()));
    assert_eq!(server.client().line(), "welcome\n");
    old.assert_echoes("still here\n");
}

/// Who is connected when it stops is served to the end; nobody new is.
#[test]
fn drains_its_clients() {
    let (family, server) = started();
    let mut client = server.client();
    assert_eq!(client.line(), "hello\n");
    let mut stop = echo(&family, "stop").start();
    until("the end of listening", || TcpStream::connect(&server.address).is_err().then_some(()));
    client.assert_echoes("still here\n");
    assert!(!stop.has_ended(), "stop does not wait");
    assert!(Proc::lives(server.pid), "the server does not wait for its client");
    client.assert_ends();
    let stop = stop.end();
    assert!(stop.took < Duration::from_secs(5), "{stop:#?}");
    stop.assert_code(0);
    assert!(!text(&family.path("log")).contains("still run"), "the log says that it did not wait");
}

/// A client that stays and stays has five seconds.
#[test]
fn does_not_drain_for_ever() {
    let (family, server) = started();
    let mut client = server.client();
    assert_eq!(client.line(), "hello\n");
    let stop = echo(&family, "stop").run();
    stop.assert_code(0);
    assert!(stop.took > Duration::from_secs(5), "{stop:#?}");
    assert!(
        text(&family.path("log")).contains("these threads still run: 127.0.0.1:"),
        "the log does not say who was cut off"
    );
    assert_eq!(client.line(), "");
}

/// The same address is free at once, though a client was connected.
#[test]
fn restarts() {
    let (family, old) = started();
    let mut client = old.client();
    assert_eq!(client.line(), "hello\n");
    let words = ["restart", "--pid-file", "pid", "--listen", &old.address];
    let restart = family.launch(ECHO).cwd(family.directory()).args(words).start();
    until("the end of listening", || TcpStream::connect(&old.address).is_err().then_some(()));
    client.assert_ends();
    let end = restart.end();
    assert!(end.stdout.starts_with(&format!("stopped process {}\n", old.pid)), "{end:#?}");
    let new = Server::of(&family, &end);
    assert_ne!(new.pid, old.pid, "the old server still runs");
    assert_eq!(new.address, old.address);
    new.client().assert_echoes("anew\n");
}

/// What the log holds, and what is added to it afterwards.
#[test]
fn shows_its_log() {
    let (family, server) = started();
    let follow = echo(&family, "logs").arg("--follow").start();
    for line in ["one\n", "more\n"] {
        let mut client = server.client();
        client.line();
        client.assert_echoes(line);
        client.assert_ends();
        let said = format!(": {} bytes\n", line.len());
        until("the client is in the log", || follow.stdout().contains(&said).then_some(()));
    }
    drop(follow);
    let all = echo(&family, "logs").run();
    all.assert_code(0).assert_stderr("");
    assert_eq!(all.stdout, text(&family.path("log")));
    family.launch(ECHO).arg("logs").run().assert_code(2).assert_says(&["--log"]);
}

/// Each verb that starts it does so in a container whose init ends with its only child: it stays.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root and tini"]
fn in_a_container() {
    for verb in ["start", "run", "restart"] {
        let family = Family::new();
        let container = family.through(&starter::container(&["tini", "--"]), ECHO);
        let words = ["--listen", "127.0.0.1:0", "--pid-file", "pid"];
        let running = container.cwd(family.directory()).arg(verb).args(words).start();
        let listening = |said: &String| said.lines().last().is_some_and(|line| line.starts_with("listening"));
        let said = until("its address", || Some(running.stdout()).filter(listening));
        Client::of(&address(&said)).assert_echoes("contained\n");
        // As tini passes it on.
        let echo = family.named("echo-server").pid;
        family.launch("kill").arg(echo.to_string()).run().assert_code(0);
        running.end().assert_code(0);
    }
}

/// The Linux Standard Base's codes where no daemon runs.
#[test]
fn nothing_to_control() {
    let family = Family::new();
    fs::write(family.path("greeting"), "").expect("a file in the directory");
    echo(&family, "stop").run().assert_code(0).assert_stderr("");
    echo(&family, "status").run().assert_code(3).assert_stderr("");
    echo(&family, "reload").run().assert_code(7).assert_one_line().assert_says(&["no such file"]);
    for command in ["stop", "status", "reload", "restart"] {
        family.launch(ECHO).arg(command).run().assert_code(2).assert_says(&["--pid-file"]);
    }
    let odd = family.path("greeting").join("pid");
    family.launch(ECHO).args(["status", "--pid-file"]).arg(odd).run().assert_code(4);

    let server = Server::of(&family, &echo(&family, "restart").run());
    server.client().assert_echoes("there\n");
}

/// A daemon that was killed leaves its pid file; that is seen, and no obstacle.
#[test]
fn after_a_kill() {
    let (family, server) = started();
    family.launch("kill").args(["-KILL", &server.pid.to_string()]).run().assert_code(0);
    family.assert_gone();
    let status = echo(&family, "status").run();
    status.assert_code(1);
    assert_eq!(status.stdout, "dead, and its pid file is left\n");
    echo(&family, "stop").run().assert_code(0);
    let again = Server::of(&family, &echo(&family, "start").run());
    assert_eq!(again.client().line(), "hello\n");
}

/// What is wrong is said at the terminal, and nothing is left.
#[test]
fn failed_starts() {
    let (family, server) = started();
    let other = Family::new();
    let pid_file = other.path("pid");
    let start = |words: &[&str]| other.launch(ECHO).arg("--pid-file").arg(&pid_file).args(words).run();
    let assert_failed = |words: &[&str], says| {
        start(words).assert_code(1).assert_one_line().assert_says(&["echo-server: cannot", says]);
        other.assert_nothing_left(&pid_file);
    };
    assert_failed(&["--listen", &server.address], "Address already in use");
    assert_failed(&["--listen", "127.0.0.1:0", "--greeting", "/no/such"], "No such file");
    start(&["--no-such-option"]).assert_code(2).assert_says(&["--no-such-option", "Usage"]);
    let elsewhere = start(&["--listen", "127.0.0.1:0", "--log", "/no/such/log"]);
    elsewhere.assert_code(73).assert_one_line().assert_says(&["/no/such/log"]);
    other.assert_nothing_left(&pid_file);
    assert_eq!(family.only().pid, server.pid);
}

#[test]
fn in_the_foreground() {
    let family = Family::new();
    let running = family.launch(ECHO).args(["run", "--listen", "127.0.0.1:0"]).start();
    let said = until("its address", || Some(running.stdout()).filter(|said| said.ends_with('\n')));
    Client::of(&address(&said)).assert_echoes("here\n");
    assert_eq!(family.only().pid, running.pid());
    family.launch("kill").arg(running.pid().to_string()).run().assert_code(0);
    running.end().assert_code(0).assert_says(&["stopping\n"]);
}

/// Socket activation, sd_listen_fds(3): it stays in the foreground and binds nothing itself.
#[test]
fn takes_a_passed_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    let family = Family::new();
    let command = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" \"$@\" 3<&0 </dev/null";
    let running = family.shell(command, [ECHO, "--listen", "/nowhere"]).stdin(OwnedFd::from(listener)).start();
    let mut client = Client::of(&address);
    client.assert_echoes("passed\n");
    client.assert_ends();
    assert_eq!(family.only().pid, running.pid());
    family.launch("kill").arg(running.pid().to_string()).run().assert_code(0);
    running.end().assert_code(0);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root"]
fn gives_up_root() {
    const NOBODY: u32 = 65534;
    let (family, _) = started();
    echo(&family, "stop").run().assert_code(0);
    let server = Server::of(&family, &echo(&family, "start").args(["--user", "nobody"]).run());
    let daemon = Proc::of(server.pid).expect("it runs");
    assert_eq!((daemon.uids, daemon.gids), ([NOBODY; 4], [NOBODY; 4]));
    let mut client = server.client();
    assert_eq!(client.line(), "hello\n");
    client.assert_ends();
    echo(&family, "stop").run().assert_code(0);
    family.assert_gone();
}
