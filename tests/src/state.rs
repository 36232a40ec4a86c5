//! What a process can tell of itself on every Unix: for where no other process can look.

use std::fs::File;
use std::{env, io};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::{Mode, fstat, stat, umask};
use nix::unistd::{Pid, Uid, getegid, geteuid, getgid, getpgrp, getsid, getuid, seteuid};

use crate::raw;

/// The state of this process, a line for each part of it. It tries to become root, and may be that from then on.
pub(crate) fn own() -> String {
    let mask = umask(Mode::empty());
    umask(mask);
    let (session, group) = (getsid(None).expect("every process has one"), getpgrp());
    let null = stat("/dev/null").expect("the null device").st_rdev;
    let streams = [fstat(io::stdin()), fstat(io::stdout()), fstat(io::stderr())];
    let blocked = SigSet::thread_get_mask().expect("the mask can be read");
    let mut variables: Vec<_> = env::vars().map(|(name, _)| name).filter(|it| !it.starts_with("DAEMON_")).collect();
    variables.sort();
    let lines = [
        format!("umask: {:03o}", mask.bits()),
        format!("directory: {}", env::current_dir().expect("it has one").display()),
        format!("leads its session: {}", session == Pid::this()),
        format!("is in the group of the session's leader: {}", session == group),
        format!("has a terminal: {}", File::open("/dev/tty").is_ok()),
        format!(
            "streams on /dev/null: {}",
            streams.map(|it| it.is_ok_and(|it| it.st_rdev == null)).iter().filter(|it| **it).count()
        ),
        format!("open descriptors: {}", words((0..1024).filter(|fd| raw::is_open(*fd)))),
        format!("ignored signals: {}", words(signals(&|it| raw::is_ignored(it)))),
        format!("blocked signals: {}", words(signals(&|it| blocked.contains(it)))),
        format!("variables: {}", variables.join(" ")),
        identity([getuid(), geteuid()].map(Uid::as_raw), [getgid(), getegid()].map(|it| it.as_raw()), raw::groups()),
        format!("can become root: {}", seteuid(Uid::from_raw(0)).is_ok()),
    ];
    lines.join("\n") + "\n"
}

/// In the order of their names, as their numbers differ between systems.
fn signals(is_it: &dyn Fn(Signal) -> bool) -> Vec<&'static str> {
    let mut names: Vec<_> = Signal::iterator().filter(|it| is_it(*it)).map(Signal::as_str).collect();
    names.sort_unstable();
    names
}

fn identity(users: [u32; 2], groups: [u32; 2], mut others: Vec<u32>) -> String {
    others.sort_unstable();
    others.dedup();
    format!("users: {}\ngroups: {}\nother groups: {}", words(users), words(groups), words(others))
}

fn words(all: impl IntoIterator<Item = impl ToString>) -> String {
    all.into_iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" ")
}
