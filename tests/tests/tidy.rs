//! What the repository promises beyond the behavior of its programs: versions, links, names.
#![cfg(linux_alone)] // The sources are read, and are the same everywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn source(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below `directory`, relative to the repository, without what is built and what is hidden, but with `.ci`.
fn files(directory: &str) -> Vec<String> {
    let entries = root().join(directory).read_dir().unwrap_or_else(|error| panic!("{directory}: {error}"));
    let paths = entries.flat_map(|entry| {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let path = if directory.is_empty() { name.clone() } else { format!("{directory}/{name}") };
        match entry.file_type().expect("its type").is_dir() {
            true if name == "target" || name.starts_with('.') && name != ".ci" => Vec::new(),
            true => files(&path),
            false => vec![path],
        }
    });
    paths.collect()
}

/// What stands in `text` between `before` and `after`, the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap_or_else(|| panic!("no {before:?}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after:?} after {before:?}")).0
}

#[test]
fn versions_agree() {
    let workspace = source("Cargo.toml");
    let version = between(&workspace, "[workspace.package]\nversion = \"", "\"");
    for (file, before, expected) in [
        ("Cargo.toml", "daemon-runtime = { path = \"daemon-runtime\", version = \"", version),
        // The two are made for each other.
        (
            "daemon-runtime/Cargo.toml",
            "daemon-macro = { path = \"../daemon-macro\", version = \"",
            &format!("={version}"),
        ),
    ] {
        assert_eq!(between(&source(file), before, "\""), expected, "{file}: {before}");
    }
    let heading = format!("\n## {version}");
    assert!(source("CHANGELOG.md").contains(&heading), "CHANGELOG.md has no entry for {version}");
}

#[test]
fn supported_rust_agrees() {
    let workspace = source("Cargo.toml");
    let words = format!("Rust {}", between(&workspace, "\nrust-version = \"", "\""));
    for file in ["README.md", "daemon-runtime/src/lib.rs", ".ci/run"] {
        assert!(source(file).contains(&words), "{file} does not say {words}");
    }
}

/// Links to files in Markdown, and in the tables and pictures of CONTRIBUTING also the names of files.
#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for file in files("").into_iter().filter(|file| file.ends_with(".md")) {
        let directory = root().join(&file).parent().expect("a file is in a directory").to_owned();
        let text = source(&file);
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let is_file = |target: &&str| !target.starts_with('#') && !target.contains(":");
        let paths = targets.filter(is_file).map(|target| target.split('#').next().expect("a part"));
        dead.extend(paths.filter(|path| !directory.join(path).exists()).map(|path| format!("{file}: {path}")));
    }
    let contributing = source("CONTRIBUTING.md");
    for name in contributing.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")) {
        let places = ["", "daemon-runtime/src", "daemon-macro/src", "tests"];
        if !places.iter().any(|place| root().join(place).join(name).exists()) {
            dead.push(format!("CONTRIBUTING.md: {name}"));
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

/// Every identifier of a line of Rust, without comments and literals; not that of a method that is called or of a path,
/// which may be another crate's.
fn own_identifiers(line: &str) -> Vec<String> {
    let code = line.split("//").next().expect("a part");
    let code: String = code.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    let mut names = Vec::new();
    let mut before = ' ';
    let mut rest = &*code;
    while let Some(first) = rest.chars().next() {
        let is_part = |character: char| character.is_alphanumeric() || character == '_';
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len()).max(first.len_utf8());
        let (name, after) = rest.split_at(end);
        if is_part(first) && !".:".contains(before) {
            names.push(name.to_owned());
        }
        before = name.chars().next_back().expect("a character");
        rest = after;
    }
    names
}

/// The words of `several_words` and `SeveralWords`.
fn words(identifier: &str) -> BTreeSet<String> {
    let mut spaced = String::new();
    for character in identifier.chars() {
        if character.is_uppercase() && !spaced.ends_with(char::is_uppercase) {
            spaced.push('_');
        }
        spaced.push(character);
    }
    spaced.split('_').map(str::to_lowercase).collect()
}

/// Names are for those who do not know the author, and for keyboards of all countries.
#[test]
fn names_say_what_they_are() {
    const UNCLEAR: [&str; 9] = ["asked", "given", "take", "went", "settle", "confine", "plain", "forget", "folder"];
    let mut bad = Vec::new();
    for file in files("") {
        if !file.is_ascii() {
            bad.push(file.clone());
        }
        if !file.ends_with(".rs") || file.starts_with("tests/ui/") {
            continue;
        }
        let in_crates = file.starts_with("daemon-runtime/src/") || file.starts_with("daemon-macro/src/");
        for (number, line) in (1..).zip(source(&file).lines()) {
            let is_bad = |name: &String| {
                !name.is_ascii() || in_crates && UNCLEAR.iter().any(|unclear| words(name).contains(*unclear))
            };
            bad.extend(own_identifiers(line).into_iter().filter(is_bad).map(|name| format!("{file}:{number}: {name}")));
        }
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

/// The lint `unsafe_code` is an error everywhere else. What is allowed in sys.rs is so in the files below sys/, which are its modules.
#[test]
fn unsafe_code_has_one_file_in_a_crate() {
    assert!(source("Cargo.toml").contains("\nunsafe_code = \"deny\"\n"), "the lint is not an error");
    let allow = ["allow(unsafe", "code"].join("_");
    let expected = ["daemon-runtime/src/sys.rs", "tests/src/raw.rs"].map(String::from);
    let crates = ["daemon-macro", "daemon-runtime", "examples", "tests/src", "tests/tests"];
    let allowing =
        crates.into_iter().flat_map(files).filter(|file| file.ends_with(".rs") && source(file).contains(&allow));
    assert_eq!(allowing.collect::<BTreeSet<_>>(), expected.into());
    for manifest in
        files("").into_iter().filter(|file| file.ends_with("Cargo.toml") && !file.starts_with("tests/bench"))
    {
        let text = source(&manifest);
        assert!(
            text.contains("[workspace]") || text.contains("[lints]\nworkspace = true"),
            "{manifest} has other lints"
        );
    }
}

/// The items of a source that are compiled on every Unix, each with its attributes.
fn portable_items(source: &str) -> Vec<String> {
    // Sources in C, which have lines that begin like items.
    let source: String =
        source.split("r#\"").map(|part| part.split_once("\"#").map_or(part, |(_, rest)| rest)).collect();
    let mut items: Vec<(String, bool)> = Vec::new();
    for line in source.lines().filter(|line| !line.is_empty()) {
        let is_before = line.starts_with(['#', '/']);
        let begins = !line.starts_with([' ', '}', ')', ']']);
        // An attribute or a comment belongs to the item below it.
        if items.last().is_none_or(|(_, has_begun)| begins && *has_begun) {
            items.push((String::new(), false));
        }
        let (item, has_begun) = items.last_mut().expect("at least one");
        item.push_str(line);
        item.push('\n');
        *has_begun |= begins && !is_before;
    }
    items.into_iter().map(|(item, _)| item).filter(|item| !item.contains("linux_alone")).collect()
}

/// What runs on every Unix needs neither /proc nor the tools that only Linux has.
#[test]
fn tests_of_every_unix_take_nothing_of_linux() {
    const OF_LINUX: [&str; 8] = ["/proc/", "/sys/", "/dev/full", "unshare", "setpriv", "strace", "prlimit", "nsenter"];
    let mut found = Vec::new();
    let mut count = 0;
    for file in files("tests/tests").iter().filter(|file| file.ends_with(".rs")) {
        let source = source(file);
        if source.contains("\n#![cfg(linux_alone)]") {
            continue;
        }
        for item in portable_items(&source) {
            count += item.matches("#[test]").count();
            found.extend(
                OF_LINUX.iter().filter(|word| item.contains(*word)).map(|word| format!("{file}: {word}: {item}")),
            );
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(count > 100, "only {count} tests are for every Unix");
}

#[test]
fn ignored_tests_say_why() {
    let bare = ["#[ignore", "]"].concat();
    let without = files("").into_iter().filter(|file| file.ends_with(".rs") && source(file).contains(&bare));
    assert_eq!(without.collect::<Vec<_>>(), Vec::<String>::new());
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
    assert!(!readme.contains("```bash"), "there are more commands");
}

/// Each message of the guide stands in the source: from `cannot` to the first part that differs.
#[test]
fn messages_of_the_guide_are_in_the_source() {
    let guide = source("daemon-runtime/src/guide/errors.md");
    let code: String =
        files("daemon-runtime/src").iter().filter(|file| file.ends_with(".rs")).map(|file| source(file)).collect();
    let messages: Vec<&str> = guide.split('`').skip(1).step_by(2).filter_map(|it| it.strip_prefix("cannot ")).collect();
    assert!(messages.len() > 50, "only {messages:?}");
    for message in messages {
        let differs = |it: char| "…:=".contains(it) || it.is_ascii_digit();
        let fixed = message.split(differs).next().unwrap_or_default().trim_end();
        // The verb, and the name of the stream, are put in.
        let built = fixed.ends_with(" pid file") || fixed.starts_with("open ");
        assert!(built || code.contains(fixed), "no error says {fixed:?}");
    }
}
