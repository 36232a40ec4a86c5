//! Who takes part.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::harness::Harness;

pub struct Contender {
    pub name: &'static str,
    /// The crate whose version the name is printed with.
    crate_name: Option<&'static str>,
    /// The cargo package that makes it.
    pub package: Option<&'static str>,
    pub command: Vec<String>,
    /// Whether the launcher waits until the daemon says that it is ready.
    pub waits: bool,
    /// What its daemon is not, although it was asked for.
    pub lacks: Vec<&'static str>,
}

impl Contender {
    /// One of the other Rust crates: the fastest of them is what ratios are to.
    pub fn is_rival(&self) -> bool {
        self.crate_name.is_some_and(|name| name != "daemon-runtime")
    }

    pub fn detaches(&self) -> bool {
        self.name != "empty program"
    }

    fn build(&self, c: &str) -> io::Result<()> {
        let command = match self.package {
            Some(package) => &["cargo", "build", "--quiet", "--release", "--package", package][..],
            None if self.name == "C" => &["cc", "-O2", "-s", "-w", "-o", c, "contenders/c/daemon.c"],
            None => return Ok(()),
        };
        match Command::new(command[0]).args(&command[1..]).status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other("it does not build")),
        }
    }

    /// The name as it is printed, in lines.
    pub fn title(&self) -> Vec<String> {
        let version = self.crate_name.and_then(locked_version).or_else(|| {
            let query = "import importlib.metadata as m; print(m.version('python-daemon'))";
            (self.name == "python-daemon").then(|| output(&["/usr/bin/python3", "-c", query])).flatten()
        });
        [Some(self.name.into()), version].into_iter().flatten().collect()
    }
}

/// All contenders that can be built here and make a daemon. Says which are left out.
pub fn all(harness: &Harness) -> Vec<Contender> {
    let rust = |name, crate_name, package: &'static str, waits| Contender {
        name,
        crate_name,
        package: Some(package),
        command: vec![format!("target/release/{package}")],
        waits,
        lacks: Vec::new(),
    };
    let other =
        |name, command| Contender { name, crate_name: None, package: None, command, waits: false, lacks: Vec::new() };
    let c = harness.file("daemon").to_string_lossy().into_owned();
    let contenders = vec![
        rust("empty program", None, "bench-empty", false),
        other("C", vec![c.clone()]),
        rust("#[daemon]", Some("daemon-runtime"), "bench-ours", true),
        rust("#[…] Ready", Some("daemon-runtime"), "bench-ours-ready", true),
        rust("daemonize", Some("daemonize"), "bench-daemonize", false),
        rust("fork daemon", Some("fork"), "bench-fork", false),
        rust("daemonize-me", Some("daemonize-me"), "bench-daemonize-me", false),
        rust("fork checked", Some("fork"), "bench-fork-checked", true),
        rust("dmon", Some("dmon"), "bench-dmon", true),
        rust("blivet", Some("blivet"), "bench-blivet", true),
        // By its path, because the first python3 may be one without Debian's packages.
        other("python-daemon", vec!["/usr/bin/python3".into(), "contenders/python/main.py".into()]),
    ];
    let works = |contender: &mut Contender| {
        let probed = contender.build(&c).and_then(|()| harness.probe(contender));
        harness.end_all().expect("children end");
        contender.lacks = probed.inspect_err(|why| eprintln!("without {}: {why}", contender.name)).ok()?;
        Some(())
    };
    contenders.into_iter().filter_map(|mut contender| works(&mut contender).map(|()| contender)).collect()
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
