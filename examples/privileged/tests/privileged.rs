//! Rights that are used and given up.
#![cfg(target_os = "linux")] // /proc shows groups and capabilities.

use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;

use tests::{Family, Proc};

const PRIVILEGED: &str = env!("CARGO_BIN_EXE_privileged");
const NOBODY: u32 = 65534;

#[test]
#[ignore = "needs root"]
fn uses_its_rights_and_gives_them_up() {
    let family = Family::new();
    let end = family.launch(PRIVILEGED).arg("127.0.0.1:0").run();
    end.assert_code(0).assert_stderr("");
    let address = end.stdout.trim().strip_prefix("ask ").expect("an address");
    let mut told = String::new();
    TcpStream::connect(address).expect("it listens").read_to_string(&mut told).expect("all that it tells");

    let length = fs::metadata("/etc/shadow").expect("a file of root's").len();
    let ids = [NOBODY.to_string(), NOBODY.to_string(), NOBODY.to_string(), NOBODY.to_string()].join("\t");
    for line in [
        &format!("Uid:\t{ids}"),
        &format!("Gid:\t{ids}"),
        "CapPrm:\t0000000000000000",
        "NoNewPrivs:\t1",
        &format!("/etc/shadow as root: {length} bytes"),
        "/etc/shadow now: Permission denied (os error 13)",
    ] {
        assert!(told.lines().any(|told| told == line), "{line:?} is not in {told:?}");
    }
    let daemon = family.only();
    assert_eq!((daemon.uids, daemon.gids), ([NOBODY; 4], [NOBODY; 4]));
    assert!(!daemon.groups.contains(&0), "it has root's group: {daemon:#?}");
    assert!(daemon.no_new_privileges, "it can gain privileges: {daemon:#?}");
    assert!(Proc::is_reaper(daemon.ppid), "{daemon:#?}");
}

/// Started by somebody who has no such rights.
#[test]
fn needs_root() {
    let family = Family::new();
    // Where everybody can get at it. By install: a file that this process has open to write, other tests' children hold
    // open too, and then it cannot be run.
    let copy = family.path("privileged");
    family.launch("install").args(["-m", "755"]).arg(PRIVILEGED).arg(&copy).run().assert_code(0);
    let mut launch = family.launch(&copy).arg("127.0.0.1:0").cwd("/");
    let by_root = fs::metadata(&copy).is_ok_and(|copy| copy.uid() == 0);
    if by_root {
        launch.command().uid(NOBODY).gid(NOBODY);
    }
    let end = launch.run();
    end.assert_code(77).assert_one_line().assert_says(&["/etc/shadow", "Permission denied", "start it as root"]);
    family.assert_gone();
}
