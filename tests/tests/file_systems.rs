//! Log and pid file on file systems that refuse what others grant.
#![cfg(linux_alone)] // Mount namespaces.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Family, starter, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// What vfat, FUSE and network file systems refuse that have no modes or owners of their own.
const REFUSALS: [&[&str]; 3] =
    [&["--chmod-deny"], &["--chown-deny", "--chgrp-deny"], &["--chmod-deny", "--chown-deny"]];

#[test]
#[ignore = "needs root and bindfs"]
fn modes_and_owners_cannot_be_changed() {
    for refuses in REFUSALS {
        for user in [None, Some("nobody")] {
            let family = Family::new();
            let launch = starter::on_bindfs(&family, refuses, READY).env("DAEMON_STDERR", family.path("mount/log"));
            let launch = user.into_iter().fold(launch, |launch, user| launch.env("DAEMON_USER", user));
            let end =
                launch.env("DAEMON_PID_FILE", family.path("mount/pid")).args(["notify", "eprint=up", "pause"]).run();
            assert_eq!(end.status.code(), Some(0), "{refuses:?} {user:?}: {end:#?}");
            let (log, pid_file) = (family.path("files/log"), family.path("files/pid"));
            until("the line", || (fs::read_to_string(&log).ok()? == "up\n").then_some(()));
            let pid = fs::read_to_string(&pid_file).expect("a pid file").trim().parse().expect("a pid");
            kill(Pid::from_raw(pid), Signal::SIGTERM).expect("it can be signalled");
            // Where the directory is not the user's, the file is emptied.
            until("the end of the pid file", || fs::read(&pid_file).unwrap_or_default().is_empty().then_some(()));
        }
    }
}

/// What even root may not write to.
#[test]
#[ignore = "needs root and mkfs.ext4"]
fn files_that_chattr_protects() {
    for (option, what) in [("STDERR", "cannot open log"), ("STDOUT", "cannot open log"), ("PID_FILE", "cannot lock")] {
        for prepare in ["touch file && chattr +i file", "chattr +i ."] {
            let family = Family::new();
            let file = family.path("mount/file");
            let end = starter::on_ext4(&family, "rw", prepare, READY).env(format!("DAEMON_{option}"), &file).run();
            end.assert_code(73).assert_one_line().assert_says(&[
                what,
                &file.to_string_lossy(),
                "Operation not permitted; look for the flags of chattr(1), or for a filter that forbids it",
            ]);
            family.assert_gone();
        }
    }
}

#[test]
#[ignore = "needs root and bindfs"]
fn a_start_that_fails_leaves_nothing() {
    for refuses in REFUSALS {
        let family = Family::new();
        let launch = starter::on_bindfs(&family, refuses, READY);
        let launch = launch.env("DAEMON_PID_FILE", family.path("mount/pid")).env("DAEMON_USER", "nobody");
        launch.args(["exit=3"]).run().assert_code(3);
        // FUSE keeps a removed file by another name until its last descriptor is closed, and is told of that a moment later.
        until("nothing is left", || {
            fs::read_dir(family.path("files")).expect("a directory").next().is_none().then_some(())
        });
    }
}
