//! What the attribute says about mistakes, to the letter, and what it accepts.
//!
//! `TRYBUILD=overwrite cargo test -p tests --test ui` writes the expected messages anew.
#![cfg(linux_alone)] // Rustc is asked, and says the same everywhere.

// The attribute is the same on every system.
#![cfg(not(daemon_portable))]

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

fn read(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of the attribute's documentation that begin so.
fn shown(start: &str) -> Vec<String> {
    let source = read("../daemon-macro/src/lib.rs");
    let lines = source.lines().filter_map(|line| line.strip_prefix("///"));
    let documentation: String = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect();
    documentation.split("```").filter(|block| block.starts_with(start)).map(str::to_owned).collect()
}

/// The messages that the attribute's documentation shows are those that the compiler prints.
#[test]
fn documented_messages() {
    // The file has another name in the documentation.
    let nameless = |line: &str| match line.strip_prefix(" --> ").and_then(|place| place.split_once(".rs:")) {
        Some((_, place)) => format!(" --> {place}\n"),
        None => format!("{}\n", line.trim_end()),
    };
    let nameless = |text: &str| text.lines().map(nameless).collect::<String>();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ui/mistake");
    let files = folder.read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let printed: Vec<String> = files
        .filter(|file| file.extension().is_some_and(|end| end == "stderr"))
        .map(|file| nameless(&std::fs::read_to_string(file).expect("a text file")))
        .collect();
    let shown = shown("text\nerror");
    assert_eq!(shown.len(), 5, "the messages that are shown");
    for message in shown {
        let message = nameless(&message["text\n".len()..]);
        assert!(printed.iter().any(|text| text.contains(&message)), "no compiler prints this:\n{message}");
    }
}

/// What the documentation says to write for a runtime whose attribute does not go with this one is what is compiled here.
#[test]
fn documented_block_on() {
    let shown = shown("ignore\n");
    let [example] = &*shown else { panic!("not one example: {shown:?}") };
    assert!(read("ui/program/block_on_in_a_function.rs").contains(&example["ignore\n".len()..]), "{example}");
}

/// What is accepted, and does what it should; in the foreground, since the tests of daemons are elsewhere.
#[test]
fn programs() {
    trybuild::TestCases::new().pass("ui/program/*.rs");
}
