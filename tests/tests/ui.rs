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

/// The messages that the attribute's documentation shows are those that the compiler prints.
#[test]
fn documented_messages() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a text file");
    // The file has another name in the documentation.
    let nameless = |line: &str| match line.strip_prefix(" --> ").and_then(|place| place.split_once(".rs:")) {
        Some((_, place)) => format!(" --> {place}\n"),
        None => format!("{}\n", line.trim_end()),
    };
    let nameless = |text: &str| text.lines().map(nameless).collect::<String>();
    let files = folder.join("ui/mistake").read_dir().expect("a folder").map(|entry| entry.expect("an entry").path());
    let printed: Vec<String> = files
        .filter(|file| file.extension().is_some_and(|end| end == "stderr"))
        .map(|file| nameless(&read(&file)))
        .collect();
    let source = read(&folder.join("../daemon-macro/src/lib.rs"));
    let lines = source.lines().filter_map(|line| line.strip_prefix("///"));
    let documentation: String = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned() + "\n").collect();
    let shown: Vec<&str> = documentation.split("```").filter(|block| block.starts_with("text\nerror")).collect();
    assert_eq!(shown.len(), 5, "the messages that are shown");
    for message in shown {
        let message = nameless(&message["text\n".len()..]);
        assert!(printed.iter().any(|text| text.contains(&message)), "no compiler prints this:\n{message}");
    }
}

/// What is accepted, and does what it should; in the foreground, since the tests of daemons are elsewhere.
#[test]
fn programs() {
    trybuild::TestCases::new().pass("ui/program/*.rs");
}
