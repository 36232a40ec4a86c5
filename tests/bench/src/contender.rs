//! Who takes part.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::harness::Harness;
use crate::promises::{self, CLOSES, Promise};

/// Contenders are compared within their group.
#[derive(Clone, Copy, PartialEq)]
pub enum Group {
    /// The empty program: what all measures begin with.
    Floor,
    /// The launcher waits until the daemon says that it is ready.
    Waits,
    /// The launcher exits as soon as it has forked.
    DoesNotWait,
}

pub struct Contender {
    pub name: &'static str,
    pub group: Group,
    /// The crate whose version the name is printed with.
    crate_name: Option<&'static str>,
    /// The cargo package and the binary in it.
    pub binary: Option<(&'static str, &'static str)>,
    pub command: Vec<String>,
    /// The command where it has a pid file, if it can have one.
    with_pid_file: Option<Vec<String>>,
    /// Whether it is ready before it has loaded its data.
    pub loads_late: bool,
    pub promises: Vec<Promise>,
}

/// The name of the one whose steps are measured.
pub const PROFILED: &str = "#[daemon], Ready";

impl Contender {
    pub fn is_ours(&self) -> bool {
        self.crate_name == Some("daemon-runtime")
    }

    /// One of the other Rust crates: ratios are to the best of them in a group.
    pub fn is_rival(&self) -> bool {
        self.crate_name.is_some() && !self.is_ours()
    }

    pub fn keeps(&self, promise: &str) -> Option<bool> {
        self.promises.iter().find(|(title, _)| *title == promise).map(|(_, kept)| *kept)
    }

    /// The empty program is compared with who does.
    pub fn closes(&self) -> bool {
        self.keeps(CLOSES).unwrap_or(true)
    }

    pub fn command(&self, pid_file: bool) -> Option<&[String]> {
        if pid_file { self.with_pid_file.as_deref() } else { Some(&self.command) }
    }

    fn build(&self) -> io::Result<()> {
        let command = match self.binary {
            Some((package, _)) => &["cargo", "build", "--quiet", "--release", "--package", package][..],
            None if self.name == "C" => &["cc", "-O2", "-s", "-w", "-o", &self.command[0], "contenders/c/daemon.c"],
            None => return Ok(()),
        };
        match Command::new(command[0]).args(&command[1..]).status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other("it does not build")),
        }
    }

    /// The name with the version.
    pub fn title(&self) -> String {
        let version = self.crate_name.and_then(locked_version).or_else(|| {
            let query = "import importlib.metadata as m; print(m.version('python-daemon'))";
            (self.name == "python-daemon").then(|| output(&["/usr/bin/python3", "-c", query])).flatten()
        });
        [self.name.to_owned()].into_iter().chain(version).collect::<Vec<_>>().join(" ")
    }
}

/// All contenders that are wanted, can be built here and make a daemon. Says which are left out.
pub fn all(harness: &Harness, wanted: impl Fn(&Contender) -> bool) -> Vec<Contender> {
    let release = concat!(env!("CARGO_MANIFEST_DIR"), "/target/release/");
    let rust = |name, group, crate_name, package, binary| Contender {
        name,
        group,
        crate_name,
        binary: Some((package, binary)),
        command: vec![format!("{release}{binary}")],
        with_pid_file: None,
        loads_late: false,
        promises: Vec::new(),
    };
    let other = |name, crate_name, package| rust(name, Group::DoesNotWait, Some(crate_name), package, package);
    let waiting = |name, crate_name, package| Contender { group: Group::Waits, ..other(name, crate_name, package) };
    // One program for both, as their options are values in any case.
    let locks = |contender: Contender| Contender { with_pid_file: Some(contender.command.clone()), ..contender };
    let ours = |name, binary, pid_file| Contender {
        with_pid_file: Some(vec![format!("{release}{pid_file}")]),
        ..rust(name, Group::Waits, Some("daemon-runtime"), "bench-ours", binary)
    };
    let bare = |name, command| Contender { binary: None, command, ..rust(name, Group::DoesNotWait, None, "", "") };
    // By its path, because the first python3 may be one without Debian's packages.
    let python =
        vec!["/usr/bin/python3".into(), concat!(env!("CARGO_MANIFEST_DIR"), "/contenders/python/main.py").into()];
    let contenders = vec![
        rust("empty program", Group::Floor, None, "bench-empty", "bench-empty"),
        Contender { loads_late: true, ..ours("#[daemon]", "literals", "literals-pid-file") },
        ours(PROFILED, "ready", "ready-pid-file"),
        ours("#[daemon], setup, Ready", "setup", "setup"),
        waiting("fork::checked_daemon", "fork", "bench-fork-checked"),
        locks(waiting("dmon", "dmon", "bench-dmon")),
        locks(waiting("blivet", "blivet", "bench-blivet")),
        bare("C", vec![harness.file("daemon").to_string_lossy().into_owned()]),
        locks(other("daemonize", "daemonize", "bench-daemonize")),
        locks(other("daemonix", "daemonix", "bench-daemonix")),
        other("fork::daemon", "fork", "bench-fork"),
        locks(other("daemonize-me", "daemonize-me", "bench-daemonize-me")),
        locks(bare("python-daemon", python)),
    ];
    let works = |mut contender: Contender| {
        eprintln!("{}", contender.name);
        let probed = contender.build().and_then(|()| promises::observe(harness, &contender));
        harness.end_all().expect("children end");
        contender.promises = probed.inspect_err(|why| eprintln!("without {}: {why}", contender.name)).ok()?;
        Some(contender)
    };
    contenders.into_iter().filter(wanted).filter_map(works).collect()
}

/// What a command prints, if it succeeds.
pub fn output(command: &[&str]) -> Option<String> {
    let output = Command::new(command[0]).args(&command[1..]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The version of a crate that the contenders are locked to.
fn locked_version(name: &str) -> Option<String> {
    let lock = std::fs::read_to_string(Path::new("Cargo.lock")).ok()?;
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    Some(after.split('"').next()?.to_owned())
}
