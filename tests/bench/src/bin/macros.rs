//! What the attribute costs a build, measured against three macros that everybody uses, in one run.
//!
//! `cargo run --release --bin macros`

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

/// So many uses of a macro in one crate.
const USES: usize = 500;

/// The macro's crate, what a program depends on to use it, and one use of it, as programs have it.
const MACROS: [(&str, &str, &str); 4] = [
    (
        "daemon-macro",
        concat!("daemon-runtime = { path = \"", env!("CARGO_MANIFEST_DIR"), "/../../daemon-runtime\" }"),
        "#[daemon_runtime::daemon(
            setup = 3, umask = 0o027, chdir = \"/\", pid_file = \"/run/app.pid\", stderr = \"/var/log/app.log\",
            user = \"www-data\", foreground = number == 3,
        )]
        pub fn main(number: u8, ready: daemon_runtime::Ready) -> Result<(), String> { ready.notify(); Ok(()) }",
    ),
    (
        "tokio-macros",
        "tokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }",
        "#[tokio::main] pub async fn main() -> Result<(), String> { Ok(()) }",
    ),
    (
        "clap_derive",
        "clap = { version = \"4\", features = [\"derive\"] }",
        "#[derive(clap::Parser)] pub struct Args {
            /// One
            #[arg(long)] pub one: Option<String>,
            /// Two
            #[arg(long, default_value_t = 3)] pub two: u8,
            /// Three
            #[arg(short, long)] pub three: bool,
            /// Four
            pub four: Vec<String>,
        }",
    ),
    (
        "thiserror-impl",
        "thiserror = \"2\"",
        "#[derive(Debug, thiserror::Error)] pub enum Error {
            #[error(\"one\")] One(#[from] std::io::Error),
            #[error(\"two {0}\")] Two(String),
            #[error(\"three {number}\")] Three { number: u8 },
            #[error(transparent)] Four(#[from] std::fmt::Error),
        }",
    ),
];

fn package(name: &str, dependency: &str, source: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/macros").join(name);
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join("src")).expect("create a directory");
    let manifest =
        format!("[package]\nname = \"cost\"\nedition = \"2024\"\n[workspace]\n[dependencies]\n{dependency}\n");
    fs::write(root.join("Cargo.toml"), manifest).expect("write Cargo.toml");
    fs::write(root.join("src/lib.rs"), source).expect("write lib.rs");
    cargo(&root, &["fetch"]);
    root
}

/// Runs cargo, and returns what it wrote and the processor time that it took: a busy machine changes the other.
fn cargo(root: &Path, arguments: &[&str]) -> (String, Duration) {
    let before = processor_time();
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", root.join("target"))
        // The times of the compiler's passes are printed by unstable versions, or with this.
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .expect("run cargo");
    let took = processor_time() - before;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr), took)
}

/// Of all children that have ended.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("getrusage");
    [usage.user_time(), usage.system_time()]
        .map(|time| Duration::new(time.tv_sec() as u64, time.tv_usec() as u32 * 1_000))
        .iter()
        .sum()
}

/// The least of some measurements.
fn least(times: usize, measure: impl Fn() -> Duration) -> Duration {
    (0..times).map(|_| measure()).min().expect("one at least")
}

/// Builds the macro's crate and all that it needs, from nothing, one crate after the other.
fn cold_build(root: &Path, name: &str) -> Duration {
    least(2, || {
        let _ = fs::remove_dir_all(root.join("target"));
        cargo(root, &["build", "--offline", "-j1", "-p", name]).1
    })
}

/// How long the compiler expands the macros of a crate.
fn expansion(root: &Path) -> Duration {
    cargo(root, &["build", "--offline"]);
    least(6, || {
        let source = root.join("src/lib.rs");
        fs::write(&source, fs::read_to_string(&source).expect("read lib.rs") + "\n").expect("write lib.rs");
        let (said, _) = cargo(root, &["rustc", "--offline", "--", "-Ztime-passes", "-Ztime-passes-format=json"]);
        let (_, json) = said.split_once("{\"pass\":\"macro_expand_crate\",\"time\":").expect("the pass");
        Duration::from_secs_f64(json.split_once(',').expect("a number").0.parse().expect("a number"))
    })
}

fn main() {
    let plain: String = (0..USES).map(|use_| format!("pub mod m{use_} {{ pub fn main() {{}} }}\n")).collect();
    let plain = expansion(&package("plain", "", &plain));
    let costs = MACROS.map(|(name, dependency, text)| {
        let source: String = (0..USES).map(|use_| format!("pub mod m{use_} {{ {text} }}\n")).collect();
        let root = package(name, dependency, &source);
        (name, cold_build(&root, name), expansion(&root).saturating_sub(plain) / USES as u32)
    });
    let [(_, our_build, our_use), ..] = costs;
    println!("{:<16} cold build, processor time    one use", "");
    for (name, build, one_use) in costs {
        let ratio = |other: Duration, ours: Duration| other.as_secs_f64() / ours.as_secs_f64();
        let (build_ratio, use_ratio) = (ratio(build, our_build), ratio(one_use, our_use));
        println!("{name:<16} {build:>8.2?} ({build_ratio:4.2} of ours)    {one_use:>8.1?} ({use_ratio:4.2} of ours)");
    }
}
