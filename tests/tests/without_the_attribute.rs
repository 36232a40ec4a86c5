//! Without the feature `macro` the crate depends on nix alone, and does the same by hand.
#![cfg(linux_alone)] // Cargo is asked, and builds the same everywhere.

use std::path::Path;

use daemon_runtime::Instance;
use tests::{DEADLINE, Family, Launch, until};

/// Cargo, at the workspace, with what it needs of the environment.
fn cargo<'a>(family: &'a Family, words: &[&str]) -> Launch<'a> {
    let cargo = family.launch(env!("CARGO")).args(words).args(["--locked", "--offline"]);
    let cargo = cargo.cwd(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    let variables = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    let variables = variables.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    variables.fold(cargo, |cargo, (name, value)| cargo.env(name, value))
}

/// What is built for `package`, and its dependencies' dependencies.
fn crates(package: &[&str]) -> Vec<String> {
    let family = Family::new();
    let tree =
        cargo(&family, &["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}", "--no-dedupe"]);
    let end = tree.args(["--target", "x86_64-unknown-linux-gnu", "--color", "never", "--package"]).args(package).run();
    let mut crates: Vec<String> =
        end.assert_code(0).stdout.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
    crates.sort_unstable();
    crates.dedup();
    crates
}

#[test]
fn dependencies() {
    let of_nix = ["bitflags", "cfg-if", "cfg_aliases"];
    let needed = [&of_nix[..], &["daemon-runtime", "libc", "nix"]].concat();
    assert_eq!(crates(&["daemon-runtime", "--no-default-features"]), needed);
    let with_example = [&of_nix[..], &["compat", "daemon-runtime", "libc", "nix"]].concat();
    assert_eq!(crates(&["compat"]), with_example);
}

/// The example is built without the feature where it is built alone.
#[test]
#[ignore = "builds the crate once more"]
fn program() {
    let family = Family::new();
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/without-the-attribute");
    cargo(&family, &["build", "--package", "compat"]).arg("--target-dir").arg(&target).run().assert_code(0);
    let compat = target.join("debug/compat");
    family.launch(compat).arg("-d").arg(family.directory()).run().assert_code(0).assert_stderr("");
    let log = || std::fs::read_to_string(family.path("compat.log"));
    until("work in the log", || log().is_ok_and(|log| log.contains("working\n")).then_some(()));
    Instance::at(family.path("compat.pid")).stop(DEADLINE).expect("it runs");
    family.assert_nothing_left(&family.path("compat.pid"));
}
