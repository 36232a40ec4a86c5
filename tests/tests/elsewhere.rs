//! What the crate does on Windows: the same code, taken on Linux by `--cfg daemon_elsewhere`.
#![cfg(linux_alone)] // Windows is tried by a cfg, here once.

use std::path::{Path, PathBuf};

use tests::{Family, until};

/// Builds an example once more, in a directory of its own, as for another system.
fn build(package: &str) -> PathBuf {
    let family = Family::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = root.join("target/elsewhere");
    let cargo =
        family.launch(env!("CARGO")).args(["build", "--locked", "--offline", "--package", package, "--target-dir"]);
    let cargo = cargo.arg(&target).cwd(&root).env("RUSTFLAGS", "--cfg daemon_elsewhere");
    let variables = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
    let variables = variables.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    variables.fold(cargo, |cargo, (name, value)| cargo.env(name, value)).run().assert_code(0);
    target.join("debug")
}

#[test]
#[ignore = "builds the crate once more"]
fn the_program_stays_in_the_foreground_and_says_what_it_leaves_out() {
    let hello = build("hello").join("hello");
    let family = Family::new();
    let running = family.launch(hello).arg(family.path("text")).env("HELLO_INTERVAL", "0.01").start();
    until("the body", || family.path("text").exists().then_some(()));
    until("the line", || running.stderr().ends_with('\n').then_some(()));
    assert_eq!(
        running.stderr(),
        "hello: this system is no Unix: the program stays in the foreground, without umask, pid_file and no_core_dumps\n"
    );
    assert_eq!(family.only().pid, running.pid(), "it has forked");
    running.signal(nix::sys::signal::Signal::SIGTERM);
    running.end().assert_code(0);
}

#[test]
#[ignore = "builds the crate once more"]
fn what_must_not_be_left_out_is_an_error() {
    let echo = build("echo-server").join("echo-server");
    let family = Family::new();
    let launch = |words: &[&str]| family.launch(&echo).args(words).run();
    let end = launch(&["start", "--listen", "127.0.0.1:0", "--user", "nobody"]);
    end.assert_code(69)
        .assert_one_line()
        .assert_says(&["cannot change the user or the group: this system is no Unix; "]);
    let end = launch(&["stop", "--pid-file", "/tmp/no.pid"]);
    end.assert_code(1)
        .assert_one_line()
        .assert_says(&["cannot find the daemon with pid file /tmp/no.pid: this system is no Unix; "]);
}
