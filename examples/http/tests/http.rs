//! The HTTP server, asked as a browser asks.
#![cfg(target_os = "linux")] // /proc shows the session, and what was read of a connection.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use tests::{DEADLINE, Family, Proc, until};

const HTTP: &str = env!("CARGO_BIN_EXE_http-server");

/// The daemon, and where it listens.
fn started(family: &Family) -> (Proc, SocketAddr) {
    let end = family.launch(HTTP).cwd(family.directory()).args(["127.0.0.1:0", "log"]).run();
    end.assert_code(0).assert_stderr("");
    let daemon = family.only();
    let address = end.stdout.strip_prefix("see http://").and_then(|said| said.split_once("/; stop it with: kill "));
    let (address, pid) = address.unwrap_or_else(|| panic!("{end:#?}"));
    assert_eq!(pid.trim(), daemon.pid.to_string());
    (daemon, address.parse().expect("an address"))
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
    stream
}

/// All that the server says until it closes the connection.
fn answer(mut stream: TcpStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = connect(address);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request");
    answer(stream)
}

#[test]
fn shows_its_row_of_the_process_table() {
    let family = Family::new();
    let (daemon, address) = started(&family);
    let page = get(address, "/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "another status: {page}");
    assert!(page.contains("content-type: text/html"), "another type: {page}");
    let cell = |name: &str| {
        let (_, after) = page.split_once(&format!("<tr><th>{name}<td>")).unwrap_or_else(|| panic!("{name}: {page}"));
        after.lines().next().unwrap_or_default()
    };
    let numbers =
        ["process", "parent", "process group", "session"].map(|name| cell(name).parse::<i32>().expect("a number"));
    assert_eq!(numbers, [daemon.pid, daemon.ppid, daemon.pgid, daemon.sid]);
    assert!(Proc::is_reaper(daemon.ppid), "{daemon:#?}");
    assert_eq!((cell("session leader"), cell("terminal")), ("no", "none"));
    assert!(page.contains("<p>Up for "), "{page}");
    assert!(get(address, "/other").starts_with("HTTP/1.1 404 "), "another path has a page");
}

/// A client that is in the middle of its request when SIGTERM comes gets its answer; then the server ends.
#[test]
fn ends_gracefully() {
    let family = Family::new();
    let (daemon, address) = started(&family);
    let mut stream = connect(address);
    write!(stream, "GET / HTTP/1.1\r\n").expect("half a request");
    until("the server to read the first half", || has_read(address, stream.local_addr().ok()?).then_some(()));
    family.launch("kill").arg(daemon.pid.to_string()).run().assert_code(0);
    until("the end of listening", || TcpStream::connect(address).is_err().then_some(()));
    assert!(Proc::lives(daemon.pid), "it does not finish its request");
    write!(stream, "Host: {address}\r\n\r\n").expect("the other half");
    let page = answer(stream);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "another status: {page}");
    assert!(page.contains("<p>Up for "), "another page: {page}");
    family.assert_gone();
    let log = fs::read_to_string(family.path("log")).expect("the log");
    for part in ["INFO", "serving\n"] {
        assert!(log.contains(part), "{part:?} is not in {log}");
    }
    assert!(log.ends_with("stopped\n"), "{log}");
}

/// Whether the server has accepted the client and read what it has sent: proc_pid_net(5).
fn has_read(server: SocketAddr, client: SocketAddr) -> bool {
    let hex = |address: SocketAddr| format!(":{:04X}", address.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    table.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ends = fields[1].ends_with(&hex(server)) && fields[2].ends_with(&hex(client));
        ends && fields[4].ends_with(":00000000") && fields[9] != "0"
    })
}

/// logrotate(8) moves the log away and sends SIGHUP.
#[test]
fn opens_its_log_anew() {
    let family = Family::new();
    let (daemon, address) = started(&family);
    fs::rename(family.path("log"), family.path("log.1")).expect("a log");
    family.launch("kill").args(["-HUP", &daemon.pid.to_string()]).run().assert_code(0);
    until("a new log", || family.path("log").exists().then_some(()));
    assert!(get(address, "/").starts_with("HTTP/1.1 200 OK\r\n"), "it does not serve");
    family.launch("kill").arg(daemon.pid.to_string()).run().assert_code(0);
    family.assert_gone();
    let logs = ["log.1", "log"].map(|name| fs::read_to_string(family.path(name)).expect("a log"));
    assert!(logs[0].ends_with("serving\n"), "the old log: {logs:?}");
    assert!(logs[1].ends_with("stopped\n"), "the new log: {logs:?}");
}

#[test]
fn an_address_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let family = Family::new();
    let end = family.launch(HTTP).arg(&address).run();
    end.assert_code(1).assert_one_line().assert_says(&["Address already in use"]);
    family.assert_gone();
}
