//! Clients that start their server.

use std::fs;

use tests::{Family, Launch, Proc, until};

fn agent<'a>(family: &'a Family, words: &[&str]) -> Launch<'a> {
    family.launch(env!("CARGO_BIN_EXE_agent")).env("XDG_RUNTIME_DIR", family.directory()).args(words)
}

fn ask(family: &Family, words: &[&str]) -> String {
    let end = agent(family, words).run();
    end.assert_code(0).assert_stderr("");
    end.stdout
}

fn pid(family: &Family) -> i32 {
    fs::read_to_string(family.path("agent/pid")).expect("a pid file").trim().parse().expect("a number")
}

#[test]
fn a_client_starts_the_server_and_the_next_one_finds_it() {
    let family = Family::new();
    assert_eq!(ask(&family, &["set", "color", "dark blue"]), "color is dark blue\n");
    let server = pid(&family);
    assert_eq!(ask(&family, &["get", "color"]), "dark blue\n");
    assert_eq!(pid(&family), server, "another server was started");
    assert_eq!(ask(&family, &["stop"]), "");
    family.assert_gone();
    assert_eq!(ask(&family, &["stop"]), "", "there is nothing to stop");
}

#[test]
fn fifty_clients_at_once() {
    let family = Family::new();
    let clients: Vec<_> = (0..50).map(|n| agent(&family, &["set", &format!("n{n}"), "x"]).start()).collect();
    for (n, client) in clients.into_iter().enumerate() {
        let end = client.end();
        end.assert_code(0).assert_stderr("");
        assert_eq!(end.stdout, format!("n{n} is x\n"));
    }
    for n in 0..50 {
        assert_eq!(ask(&family, &["get", &format!("n{n}")]), "x\n", "more than one server has answered");
    }
    let server = pid(&family);
    until("one server is left", || (family.members() == [server]).then_some(()));
    ask(&family, &["stop"]);
}

#[test]
fn the_server_ends_when_nobody_asks() {
    let family = Family::new();
    ask(&family, &["set", "a", "b", "--idle", "1"]);
    family.assert_gone();
    assert!(!family.path("agent/socket").exists() && !family.path("agent/pid").exists(), "files are left");
    assert_eq!(ask(&family, &["get", "a", "--idle", "1"]), "a is not set\n");
}

#[test]
fn a_killed_server_prevents_nothing() {
    let family = Family::new();
    ask(&family, &["set", "a", "b"]);
    let server = pid(&family);
    family.launch("kill").args(["-KILL", &server.to_string()]).run().assert_code(0);
    until("it is dead", || (!Proc::lives(server)).then_some(()));
    assert_eq!(ask(&family, &["get", "a"]), "a is not set\n");
    ask(&family, &["stop"]);
}
