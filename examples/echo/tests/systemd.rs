//! The unit files beside the example, as they are, and the example itself, under a real systemd.
#![cfg(target_os = "linux")] // Systemd.

use tests::systemd::Systemd;
use tests::until;

const UNITS: &[(&str, &str)] = &[
    ("echo-server.service", include_str!("../echo-server.service")),
    ("echo-server.socket", include_str!("../echo-server.socket")),
];
const FORKING: &[(&str, &str)] = &[("echo-server.service", include_str!("../echo-server-forking.service"))];

/// The unit whose ExecStart= has that verb, and a pid file where the verb needs one.
fn with_verb(unit: &str, verb: &str) -> String {
    let line = "/usr/local/bin/echo-server --listen 127.0.0.1:7007";
    assert!(unit.contains(line), "{unit}");
    let pid_file = if verb == "restart" {
        " --pid-file /run/echo-server/echo-server.pid\nRuntimeDirectory=echo-server"
    } else {
        ""
    };
    unit.replace(line, &format!("/usr/local/bin/echo-server {verb} --listen 127.0.0.1:7007{pid_file}"))
}

/// Whether it echoes.
fn serves(systemd: &Systemd) -> bool {
    let ask = "exec 3<>/dev/tcp/127.0.0.1/7007 && echo hello >&3 && head -1 <&3";
    systemd.run("timeout", ["10", "bash", "-c", ask]).stdout == b"hello\n"
}

#[track_caller]
fn systemctl(systemd: &Systemd, verb: &str, unit: &str) {
    let output = systemd.systemctl(&[verb, unit]);
    assert!(output.status.success(), "{verb} {unit}: {output:?}\n{:#?}", systemd.journal(unit));
}

/// From a start, by `unit`, to the end. It serves at once when systemctl returns.
fn lives_well(systemd: &Systemd, unit: &str, log: impl Fn() -> String) {
    const SERVICE: &str = "echo-server.service";
    let lines = |line: &str| log().lines().filter(|said| said.starts_with(line)).count();
    let reloads = lines("reloaded");
    systemctl(systemd, "start", unit);
    assert!(serves(systemd), "{:#?}", systemd.journal(SERVICE));
    let first = systemd.property(SERVICE, "MainPID");
    systemctl(systemd, "reload", SERVICE);
    until("a reload", || (lines("reloaded") == reloads + 1).then_some(()));
    systemctl(systemd, "restart", SERVICE);
    assert!(serves(systemd), "{:#?}", systemd.journal(SERVICE));
    assert_ne!(systemd.property(SERVICE, "MainPID"), first);
    // systemd would start it again for the next client.
    if unit != SERVICE {
        systemctl(systemd, "stop", unit);
    }
    systemctl(systemd, "stop", SERVICE);
    assert_eq!(systemd.property(SERVICE, "Result"), "success", "{:#?}", systemd.journal(SERVICE));
    assert!(!serves(systemd), "it serves without being started");
}

#[test]
#[ignore = "needs root and systemd"]
fn shipped_units() {
    let systemd = Systemd::boot();
    systemd.install(env!("CARGO_BIN_EXE_echo-server"), "/usr/local/bin/echo-server");
    let journal = || {
        let entries = systemd.journal("echo-server.service");
        entries.into_iter().map(|entry| entry.message + "\n").collect::<String>()
    };
    systemd.units(UNITS);
    lives_well(&systemd, "echo-server.service", journal);
    lives_well(&systemd, "echo-server.socket", journal);
    // Each verb that starts it does what the type of the unit asks for.
    for verb in ["run", "start", "restart"] {
        systemd.units(&[("echo-server.service", &with_verb(UNITS[0].1, verb))]);
        lives_well(&systemd, "echo-server.service", journal);
    }
    systemd.units(FORKING);
    let log = systemd.path("/var/log/echo-server/echo-server.log");
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    lives_well(&systemd, "echo-server.service", text);
    systemd.units(&[("echo-server.service", &with_verb(FORKING[0].1, "start"))]);
    lives_well(&systemd, "echo-server.service", text);
}
