//! Log and pid file on file systems that refuse what others grant.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::{Family, starter, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// vfat, FUSE and network file systems have no modes or owners of their own.
#[test]
#[ignore = "needs root and bindfs"]
fn modes_and_owners_cannot_be_changed() {
    for refuses in [&["--chmod-deny"][..], &["--chown-deny", "--chgrp-deny"], &["--chmod-deny", "--chown-deny"]] {
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
