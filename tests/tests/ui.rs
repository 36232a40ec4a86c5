//! What the attribute says about mistakes, to the letter, and what it accepts.
//!
//! `TRYBUILD=overwrite cargo test -p tests --test ui` writes the expected messages anew.

/// The mistakes that the attribute itself words: one file each, named after the mistake.
#[test]
fn mistakes() {
    trybuild::TestCases::new().compile_fail("ui/mistake/*.rs");
}

/// The mistakes that rustc words, which it does in other words in every other version.
#[test]
fn mistakes_that_rustc_words() {
    let version = std::process::Command::new("rustc").arg("--version").output().expect("rustc is there");
    let version = String::from_utf8(version.stdout).expect("a version in UTF-8");
    if !version.starts_with("rustc 1.95.") {
        println!("skipped: the messages are those of rustc 1.95, and this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("ui/rustc/*.rs");
}

/// What is accepted, and does what it should; in the foreground, since the tests of daemons are elsewhere.
#[test]
fn programs() {
    trybuild::TestCases::new().pass("ui/program/*.rs");
}
