//! What the repository promises beyond its code.

use std::fs;
use std::path::Path;
use std::process::Command;

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect(path)
}

/// What a crate that depends on `daemon-runtime` brings in.
#[test]
fn dependencies_of_a_user() {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut tree = Command::new(cargo);
    tree.args([
        "tree",
        "--offline",
        "--locked",
        "-p",
        "daemon-runtime",
        "-e",
        "normal,build",
        "--prefix",
        "none",
        "-f",
        "{p}|{f}",
    ]);
    tree.args(["--target", "x86_64-unknown-linux-gnu", "--color", "never", "--no-dedupe"]);
    let output = tree.output().expect("cargo runs");
    assert!(output.status.success(), "{output:#?}");
    let text = String::from_utf8(output.stdout).expect("names");
    let mut crates: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    crates.sort_unstable();
    crates.dedup();
    let ours = ["daemon-macro", "daemon-runtime"];
    let needed = ["bitflags", "cfg-if", "cfg_aliases", "libc", "nix", "proc-macro2", "quote", "syn", "unicode-ident"];
    let mut wanted: Vec<&str> = ours.into_iter().chain(needed).collect();
    wanted.sort_unstable();
    assert_eq!(crates, wanted, "{text}");
    let syn = text.lines().find(|line| line.starts_with("syn ")).expect("syn is there");
    assert_eq!(syn.rsplit('|').next(), Some("parsing,printing,proc-macro"), "{syn}");
}

/// The README promises that two commands do everything.
#[test]
fn readme_has_two_commands() {
    let readme = source("README.md");
    let (_, commands) = readme.split_once("```sh\n").expect("commands");
    let commands: Vec<&str> = commands.lines().take_while(|line| !line.starts_with("```")).collect();
    assert_eq!(commands, ["cargo run -p hello", "cargo test --workspace"]);
    assert!(!readme.contains("```bash"));
}
