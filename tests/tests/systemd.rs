//! The same program under each type of unit, with a real systemd.
#![cfg(linux_alone)] // Systemd.

use tests::systemd::{Entry, Systemd};
use tests::{Proc, until};

const SERVER: &str = env!("CARGO_BIN_EXE_unit_server");

/// A unit file for the server. The shipped ones are tested as they are, but for the name and the port: the tests share
/// one systemd.
struct Unit {
    name: &'static str,
    port: u16,
    service: String,
    socket: Option<String>,
}

impl Unit {
    fn new(name: &'static str, port: u16, service: &str) -> Unit {
        let adapted = service.replace("echo-server", name).replace("7007", &port.to_string());
        Unit { name, port, service: adapted, socket: None }
    }

    fn notify(name: &'static str, port: u16) -> Unit {
        Unit::new(name, port, include_str!("../../examples/echo/echo-server.service"))
    }

    fn forking(name: &'static str, port: u16) -> Unit {
        Unit::new(name, port, include_str!("../../examples/echo/echo-server-forking.service"))
    }

    /// The same, and systemd listens for it.
    fn activated(mut self) -> Unit {
        let socket = include_str!("../../examples/echo/echo-server.socket");
        self.socket = Some(socket.replace("7007", &self.port.to_string()));
        self
    }

    /// A unit of a type that knows no readiness.
    fn without_readiness(kind: &str, name: &'static str, port: u16) -> Unit {
        let start = "ExecStart=/usr/local/bin/echo-server --listen 127.0.0.1:7007";
        let service = format!("[Service]\nType={kind}\n{start}\nExecReload=/bin/kill -HUP $MAINPID\n");
        Unit::new(name, port, &service)
    }

    /// The same, and the server gets more arguments.
    fn with(mut self, args: &str) -> Unit {
        let listen = format!("--listen 127.0.0.1:{}", self.port);
        self.service = self.service.replace(&listen, &format!("{listen} {args}"));
        assert!(self.service.contains(args), "{}", self.service);
        self
    }

    /// The same, and a failed start is not tried again.
    fn once(mut self) -> Unit {
        self.service = self.service.replace("Restart=on-failure", "Restart=no");
        self
    }

    fn kind(&self) -> &str {
        self.service.lines().find_map(|line| line.strip_prefix("Type=")).expect("a unit file with a type")
    }

    /// Whether `systemctl start` waits until the server is ready.
    fn waits(&self) -> bool {
        matches!(self.kind(), "notify" | "forking")
    }

    fn detaches(&self) -> bool {
        self.kind() == "forking"
    }

    fn service(&self) -> String {
        format!("{}.service", self.name)
    }

    fn install(&self, systemd: &Systemd) {
        systemd.install(SERVER, &format!("/usr/local/bin/{}", self.name));
        systemd.units(&[(&self.service(), &self.service)]);
        if let Some(socket) = &self.socket {
            systemd.units(&[(&format!("{}.socket", self.name), socket)]);
        }
    }

    /// The answer of the server: its pid, and how often it was reloaded. Asked once if it must be there by now.
    fn ask(&self, systemd: &Systemd) -> (String, String) {
        let answer = match self.waits() {
            true => systemd.ask("127.0.0.1", self.port).expect("it serves when `systemctl start` returns"),
            false => until("it serves", || systemd.ask("127.0.0.1", self.port)),
        };
        match answer.split_whitespace().collect::<Vec<_>>()[..] {
            ["pid", pid, "reloads", reloads] => (pid.to_owned(), reloads.to_owned()),
            _ => panic!("{answer:?}"),
        }
    }

    fn property(&self, systemd: &Systemd, name: &str) -> String {
        systemd.property(&self.service(), name)
    }
}

#[track_caller]
fn systemctl(systemd: &Systemd, verb: &str, unit: &str) {
    let output = systemd.systemctl(&[verb, unit]);
    assert!(output.status.success(), "{verb} {unit}: {output:?}\n{:#?}", systemd.journal(unit));
    assert!(output.stderr.is_empty(), "{verb} {unit}: {output:?}");
}

/// Start, reload, restart, stop.
fn lives_well(unit: &Unit) {
    let systemd = &*Systemd::shared();
    unit.install(systemd);
    let service = &unit.service();
    if unit.socket.is_some() {
        systemctl(systemd, "start", &format!("{}.socket", unit.name));
        assert_eq!(unit.property(systemd, "MainPID"), "0", "it runs before somebody connects");
    } else {
        systemctl(systemd, "start", service);
    }

    let (first, _) = unit.ask(systemd);
    assert_eq!(unit.property(systemd, "MainPID"), first);
    assert_eq!(unit.property(systemd, "ActiveState"), "active");
    let group = unit.property(systemd, "ControlGroup");
    let members = std::fs::read_to_string(systemd.path(&format!("/sys/fs/cgroup{group}/cgroup.procs")));
    let members: Vec<i32> = members.expect("its cgroup").lines().map(|pid| pid.parse().expect("a pid")).collect();
    // As they are outside, as it is read from there.
    let [pid] = members[..] else { panic!("not one process: {members:?}") };
    let server = Proc::of(pid).expect("it runs");
    // systemd makes each process that it starts the leader of a session; a daemon is never one.
    assert_eq!(server.sid == server.pid, !unit.detaches(), "{server:#?}");
    assert_eq!(server.ppid, systemd.init(), "{server:#?}");

    systemctl(systemd, "reload", service);
    until("it is reloaded", || (unit.ask(systemd) == (first.clone(), "1".into())).then_some(()));

    systemctl(systemd, "restart", service);
    let (second, reloads) = unit.ask(systemd);
    assert_ne!(second, first);
    assert_eq!(reloads, "0");
    assert_eq!(unit.property(systemd, "MainPID"), second);

    if unit.socket.is_some() {
        systemctl(systemd, "stop", &format!("{}.socket", unit.name));
    }
    systemctl(systemd, "stop", service);
    assert_eq!(systemd.ask("127.0.0.1", unit.port), None);
    assert_eq!(unit.property(systemd, "ActiveState"), "inactive");
    assert_eq!(unit.property(systemd, "Result"), "success");

    let journal = systemd.journal(service);
    let expected = |entry: &Entry| match entry.identifier.as_str() {
        "systemd" => {
            let words = ["Starting ", "Started ", "Reloading ", "Reloaded ", "Stopping ", "Stopped "];
            words.iter().any(|word| entry.message.starts_with(word))
                || entry.message.ends_with("Deactivated successfully.")
        }
        name => name == unit.name && entry.priority == 6,
    };
    let unexpected: Vec<_> = journal.iter().filter(|entry| !expected(entry)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    let said = |message: &str| journal.iter().filter(|entry| entry.message.starts_with(message)).count();
    assert_eq!(said("listening on"), 2, "{journal:#?}");
    if !unit.detaches() {
        assert_eq!(said("reloaded"), 1, "{journal:#?}");
    }
}

#[test]
#[ignore = "needs root and systemd"]
fn type_notify() {
    lives_well(&Unit::notify("notify", 7001));
}

#[test]
#[ignore = "needs root and systemd"]
fn type_forking() {
    let unit = Unit::forking("forking", 7002);
    lives_well(&unit);
    let left = Systemd::shared().path("/run/forking");
    assert!(!left.exists(), "{}", left.display());
}

#[test]
#[ignore = "needs root and systemd"]
fn type_exec() {
    lives_well(&Unit::without_readiness("exec", "exec", 7003));
}

#[test]
#[ignore = "needs root and systemd"]
fn type_simple() {
    lives_well(&Unit::without_readiness("simple", "simple", 7004));
}

#[test]
#[ignore = "needs root and systemd"]
fn socket_activated() {
    lives_well(&Unit::notify("activated", 7005).activated());
}

/// The daemon is not the process that systemd has passed the socket to.
#[test]
#[ignore = "needs root and systemd"]
fn socket_activated_type_forking() {
    lives_well(&Unit::forking("activated-forking", 7006).activated());
}

/// A start that ends with this exit code, and leaves this line in the journal.
fn fails_well(unit: &Unit, code: &str, line: &str) -> Entry {
    let systemd = &*Systemd::shared();
    unit.install(systemd);
    let service = &unit.service();
    let output = systemd.systemctl(&["start", service]);
    if unit.waits() {
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
    until("it has failed", || (unit.property(systemd, "ActiveState") == "failed").then_some(()));
    let mut journal = systemd.journal(service);
    assert_eq!(unit.property(systemd, "Result"), "exit-code", "{journal:#?}");
    if unit.detaches() {
        // There has never been a main process. The launcher is a control process, whose status is no lasting property.
        let status = format!("Control process exited, code=exited, status={code}/");
        assert!(journal.iter().any(|entry| entry.message.contains(&status)), "{journal:#?}");
    } else {
        assert_eq!(unit.property(systemd, "ExecMainStatus"), code, "{journal:#?}");
    }
    // An error of a step is told, and how main's body ends is not.
    if unit.kind() == "notify" && !unit.service.contains("--fail") {
        let status = unit.property(systemd, "StatusText");
        assert!(status.contains(line), "{status:?} does not say {line:?}: {journal:#?}");
    }
    assert_eq!(systemd.ask("127.0.0.1", unit.port), None);
    let found = journal.iter().position(|entry| entry.identifier == unit.name && entry.message.contains(line));
    journal.swap_remove(found.unwrap_or_else(|| panic!("{line:?} is not in {journal:#?}")))
}

/// An error of a step: a line of priority err.
#[test]
#[ignore = "needs root and systemd"]
fn failing_step() {
    for unit in [
        Unit::notify("notify-step", 7011),
        Unit::forking("forking-step", 7012).once(),
        Unit::without_readiness("exec", "exec-step", 7013),
        Unit::without_readiness("simple", "simple-step", 7014),
    ] {
        let entry = fails_well(&unit.with("--user no-such-user"), "67", "no-such-user");
        assert_eq!(entry.priority, 3, "{entry:?}");
    }
}

/// An error of main's body, an exit, a panic: the same exit codes, and what they print.
#[test]
#[ignore = "needs root and systemd"]
fn failing_body() {
    for (fail, code, line) in
        [("error", "1", "told to fail"), ("panic", "101", "told to panic"), ("3", "3", "told to exit")]
    {
        for unit in [
            Unit::notify("notify-body", 7021),
            Unit::forking("forking-body", 7022),
            Unit::without_readiness("exec", "exec-body", 7023),
            Unit::without_readiness("simple", "simple-body", 7024),
        ] {
            fails_well(&unit.once().with(&format!("--fail {fail}")), code, line);
        }
    }
}

/// The same line works by hand as root, and from a unit that says who it runs as.
#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root and systemd")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: saved ids are told, and set only if they differ")]
fn user_of_the_unit() {
    for (name, port, unit_says) in [("user", 7031, "User=www-data\n"), ("user-of-root", 7032, "")] {
        let systemd = &*Systemd::shared();
        let mut unit = Unit::notify(name, port).with("--user www-data");
        unit.service = unit.service.replace("DynamicUser=yes\n", unit_says);
        if unit_says.is_empty() {
            // Root's rights, which it drops itself.
            let keeps_rights =
                |line: &&str| !["CapabilityBoundingSet=", "SystemCallFilter="].iter().any(|it| line.starts_with(it));
            unit.service =
                unit.service.lines().filter(keeps_rights).fold(String::new(), |text, line| text + line + "\n");
        }
        unit.install(systemd);
        systemctl(systemd, "start", &unit.service());
        unit.ask(systemd);
        let pid = unit.property(systemd, "MainPID");
        let status = systemd.run("grep", ["-E", "^(Uid|Gid|Groups|CapEff)", &format!("/proc/{pid}/status")]);
        let status = String::from_utf8(status.stdout).expect("ASCII");
        let www_data = "33\t33\t33\t33";
        for line in [format!("Uid:\t{www_data}"), format!("Gid:\t{www_data}"), "CapEff:\t0000000000000000".into()] {
            assert!(status.contains(&line), "{name}: {status}");
        }
        systemctl(systemd, "stop", &unit.service());
    }
}

/// `NotifyAccess=all` lets systemd listen to a client too: a command that ends well tells it nothing.
#[test]
#[ignore = "needs root and systemd"]
fn command_of_a_client() {
    let systemd = &*Systemd::shared();
    let mut unit = Unit::notify("client", 7033);
    let reload = "ExecReload=/usr/local/bin/client --reload $MAINPID\nNotifyAccess=all\n";
    unit.service = unit.service.replace("ExecReload=/bin/kill -HUP $MAINPID\n", reload);
    assert!(unit.service.contains(reload), "{}", unit.service);
    unit.install(systemd);
    systemctl(systemd, "start", &unit.service());
    let (pid, _) = unit.ask(systemd);
    systemctl(systemd, "reload", &unit.service());
    until("it is reloaded", || (unit.ask(systemd) == (pid.clone(), "1".into())).then_some(()));
    assert_eq!(unit.property(systemd, "StatusText"), "", "the client has told systemd of a failed start");
    assert_eq!(unit.property(systemd, "StatusErrno"), "0");
    systemctl(systemd, "stop", &unit.service());
}
