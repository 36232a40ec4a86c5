//! /dev/null that is another file: a start must not read from it, nor fill it.
#![cfg(linux_alone)] // Mount namespaces.

use std::fs;
use std::path::PathBuf;

use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use tests::Family;
use tests::accounts::{NONE, own_mounts};
use tests::hostile::Condition;

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// `file` is at /dev/null, where only the program sees it.
fn in_place_of_null(file: PathBuf) -> Condition {
    Box::new(move || {
        own_mounts()?;
        Ok(mount(Some(&file), "/dev/null", NONE, MsFlags::MS_BIND, NONE)?)
    })
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: the number of /dev/null is known")]
fn another_file() {
    const MODE: Mode = Mode::S_IRWXU;
    type Maker = fn(&PathBuf);
    let makers: [(&str, Maker); 3] = [
        ("file", |path| fs::write(path, "passphrase").expect("a file")),
        ("fifo", |path| mkfifo(path, MODE).expect("a FIFO")),
        ("zero", |path| mknod(path, SFlag::S_IFCHR, MODE, makedev(1, 5)).expect("a device")),
    ];
    for (name, make) in makers {
        let family = Family::new();
        let (file, pid_file) = (family.path(name), family.path("pid"));
        make(&file);
        let launch = family.launch(READY).env("DAEMON_PID_FILE", &pid_file).under(in_place_of_null(file.clone()));
        let end = launch.run();
        end.assert_code(73).assert_stderr(
            "ready: cannot open null device /dev/null: it is another file; make it anew, as by mknod(1): mknod -m 666 /dev/null c 1 3\n",
        );
        family.assert_nothing_left(&pid_file);
        if name == "file" {
            assert_eq!(fs::read_to_string(&file).expect("the file"), "passphrase");
        }
    }
}

/// By whatever name: the device counts, not the path.
#[test]
#[ignore = "needs root"]
fn another_node_of_the_device() {
    let family = Family::new();
    let file = family.path("null");
    mknod(&file, SFlag::S_IFCHR, Mode::from_bits_truncate(0o666), makedev(1, 3)).expect("a device");
    family.launch(READY).under(in_place_of_null(file)).run().assert_code(0);
    family.daemon();
}
