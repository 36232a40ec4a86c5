//! The attribute in other people's crates: rustc says about a body what it says without the attribute, clippy says no more than
//! that, and the runtime is found under another name, from any edition.
//!
//! Each test writes a small package below the target directory and gives it to cargo, as a user would.
#![cfg(linux_alone)] // Rustc is asked, and says the same everywhere.

// The attribute is the same on every system.
#![cfg(not(daemon_portable))]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A name, a manifest without the name, and files: path and text.
type Package<'a> = (&'a str, &'a str, &'a [(String, String)]);

/// Packages in one workspace with this name.
fn workspace(name: &str, packages: &[Package<'_>]) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&root);
    let path = concat!("path = \"", env!("CARGO_MANIFEST_DIR"), "/../daemon-runtime\"");
    for (package, manifest, files) in packages {
        let manifest = manifest.replace("RUNTIME", path);
        write(&root.join(package).join("Cargo.toml"), &format!("[package]\nname = \"{package}\"\n{manifest}"));
        for (file, text) in *files {
            write(&root.join(package).join(file), text);
        }
    }
    write(&root.join("Cargo.toml"), "[workspace]\nmembers = [\"*\"]\nexclude = [\"target\"]\nresolver = \"3\"\n");
    // The versions that the tests were built with are on the machine already.
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"), root.join("Cargo.lock")).expect("copy Cargo.lock");
    root
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("create a folder");
    fs::write(path, text).expect("write a file");
}

fn cargo(root: &Path, arguments: &[&str]) -> Output {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attribute-target");
    Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .env("CARGO_TARGET_DIR", target)
        .env_remove("RUSTFLAGS")
        .output()
        .expect("run cargo")
}

/// Bodies with something wrong, each a whole program but for the attribute, which stands at `@`.
const BODIES: &[(&str, &str)] = &[
    ("types", "@fn main() { let a: u32 = \"x\"; let b: String = 3; a + b }"),
    ("no_value", "@fn main() -> Result<(), String> {}"),
    ("no_value_after_statement", "@fn main() -> Result<(), String> {\n    println!();\n}"),
    ("semicolon", "@fn main() -> Result<(), String> {\n    Ok(());\n}"),
    ("wrong_value", "@fn main() -> Result<(), String> { Ok(3) }"),
    ("value", "@fn main() {\n    3\n}"),
    ("never", "@fn main() -> ! {}"),
    ("question_mark", "@fn main() {\n    std::fs::read(\"x\")?;\n}"),
    ("names", "@fn main() {\n    printn!(\"\");\n    let x = y;\n    foo(daemon, ready, value);\n}"),
    (
        "borrow",
        "@fn main() {\n    let a;\n    {\n        let b = String::new();\n        a = &b;\n    }\n    drop(a);\n}",
    ),
    ("moved", "@fn main() {\n    let a = String::new();\n    drop(a);\n    drop(a);\n}"),
    ("threads", "@fn main() {\n    let a = 3;\n    std::thread::spawn(|| println!(\"{a}\"));\n}"),
    ("dropped_at_end", "use std::cell::RefCell;\n@fn main() {\n    let a = RefCell::new(3);\n    *a.borrow_mut()\n}"),
    ("match", "@fn main() {\n    match Some(3) {\n        None => (),\n    }\n}"),
    ("return_type", "struct A;\n@fn main() -> A {\n    A\n}"),
    ("parameterless", "@fn main() { main(3); fn main(_: u8) {} }"),
    ("async", "@fn main() { async {}.await }"),
    ("unsafe", "@fn main() { unreachable_unchecked(); }\nuse std::hint::unreachable_unchecked;"),
    ("forbidden", "#![forbid(unsafe_code)]\n@fn main() { unsafe { std::hint::unreachable_unchecked() } }"),
    ("empty", "@fn main() {}"),
    (
        "unused",
        "@fn main() {\n    let mut a = 3;\n    let b;\n    Ok::<(), ()>(());\n    return;\n    println!();\n    fn unused() {}\n}",
    ),
    (
        "items_first",
        "@fn main() {\n    use std::fmt::Debug;\n    const A: u8 = 3;\n    fn print(a: impl Debug) {\n        println!(\"{a:?}\");\n    }\n    print(A);\n}",
    ),
    (
        "items_later",
        "@fn main() {\n    println!(\"x\");\n    use std::fmt::Debug;\n    fn print(a: impl Debug) {\n        println!(\"{a:?}\");\n    }\n    print(3);\n}",
    ),
    (
        "restriction",
        "@fn main() {\n    let a = [1, 2, 3];\n    let b = a[1] as u8 + 3;\n    let b = b;\n    let c = Some(b).unwrap();\n    if c > 200 {\n        std::process::exit(c as i32);\n    } else {\n        panic!(\"{}\", c)\n    }\n}",
    ),
    (
        "returns",
        "@fn main() -> Result<(), Box<dyn std::error::Error>> {\n    let a = std::fs::read_to_string(\"x\")?;\n    let a = a.trim().to_string();\n    std::mem::forget(a);\n    return Ok(());\n}",
    ),
    (
        "exit_code",
        "use std::process::ExitCode;\n@fn main() -> ExitCode {\n    let code = ExitCode::from(3);\n    code\n}",
    ),
    ("recursion", "@fn main() {\n    if std::env::args().count() > 9 { main(); }\n    main()\n}"),
    (
        "inner_attributes",
        "@fn main() {\n    #![allow(unused)]\n    #![warn(clippy::all)]\n    let a = 3;\n    let b: u8 = \"\";\n}",
    ),
    ("comments", "@pub fn main() {\n    // SAFETY: none\n    let _a = 3; // after\n    /* TODO */\n}"),
    ("expectation", "#[expect(unused_variables)]\n@fn main() {\n    let _a = 3;\n}"),
];

const LINTS: &str = "#![warn(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, clippy::cargo)] \
                     #![warn(unused, future_incompatible, let_underscore, rust_2024_compatibility)]\n";

/// Runs `cargo check` or `cargo clippy` over all bodies, each with one and with the other prefix. Fails if there is a message with
/// the attribute that is not there without it, at the same place; for rustc also if one is missing.
fn assert_same_messages(name: &str, command: &str, [with, without]: [&str; 2], except: &[&str]) {
    if command == "clippy" && clippy_is_missing() {
        return;
    }
    let program = |folder: &str, prefix: &str, (name, body): &(&str, &str)| {
        (format!("src/bin/{folder}_{name}.rs"), LINTS.to_owned() + &body.replace('@', prefix))
    };
    // A program over the limit of 100 lines by one, for the lint that counts lines.
    let long = "@fn main() {\n".to_owned() + &"    println!();\n".repeat(101) + "}\n";
    let bodies: Vec<(&str, &str)> = BODIES.iter().copied().chain([("long", &*long)]).collect();
    let files: Vec<(String, String)> =
        bodies.iter().flat_map(|body| [program("with", with, body), program("sans", without, body)]).collect();
    let manifest = "version = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\ndaemon-runtime = { RUNTIME }\n\
                    tokio = { version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }\n";
    let root = workspace(name, &[(name, manifest, &files)]);
    let output = cargo(&root, &[command, "--offline", "--bins", "--keep-going", "--message-format=json"]);
    let (json, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));

    let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in json.lines().filter(|line| line.contains("\"reason\":\"compiler-message\"")) {
        let program = between(line, "\"target\":{", "\"name\":\"", "\"").expect("a name");
        if except.iter().any(|lint| line.contains(&format!("\"code\":\"{lint}\""))) {
            continue;
        }
        let rendered = between(line, "\"message\":{", "\"rendered\":\"", "\",\"").expect("a text");
        // What it says, and where. Labels beside that can be about the whole function, which is another one.
        let head: Vec<&str> = rendered.split("\\n").take(2).collect();
        messages.entry(program.clone()).or_default().push(head.join("\n").replace(&program, "PROGRAM") + "\n");
    }
    let (mut compared, mut differences) = (0, String::new());
    for (body, _) in bodies {
        let (with, sans) = (messages.remove(&format!("with_{body}")), messages.remove(&format!("sans_{body}")));
        let (mut with, mut sans) = (with.unwrap_or_default(), sans.unwrap_or_default());
        compared += with.len();
        with.retain(|message| sans.iter().position(|other| other == message).map(|at| sans.remove(at)).is_none());
        if command == "clippy" {
            sans.clear();
        }
        if !(with.is_empty() && sans.is_empty()) {
            let [with, sans] = [with, sans].map(|messages| messages.concat());
            differences += &format!("{body}\n--- only with\n{with}--- only without\n{sans}\n");
        }
    }
    assert!(differences.is_empty(), "{differences}");
    assert!(messages.is_empty() && compared > bodies_least(command), "{compared} messages of {command}:\n{said}");
    println!("{compared} messages of cargo {command} are the same with and without the attribute");
}

/// So many messages the bodies are good for at least.
fn bodies_least(command: &str) -> usize {
    if command == "check" { 40 } else { 200 }
}

/// The text after `start`, after that `key`, up to `end`.
fn between(line: &str, start: &str, key: &str, end: &str) -> Option<String> {
    let (_, rest) = line.split_once(start)?;
    let (_, rest) = rest.split_once(key)?;
    Some(rest.split_once(end)?.0.to_owned())
}

/// The other attribute does nothing: one that is there at all moves the place of a suggested `use`.
const ALONE: [&str; 2] = ["#[daemon_runtime::daemon(umask = 0o027, trace)]\n", "#[rustfmt::skip]\n"];
const WITH_TOKIO: [&str; 2] =
    ["#[daemon_runtime::daemon]\n#[tokio::main]\nasync ", "#[rustfmt::skip]\n#[tokio::main]\nasync "];

#[test]
fn rustc_says_the_same() {
    // A main that calls itself calls the one outside.
    assert_same_messages("same-rustc", "check", ALONE, &["unconditional_recursion"]);
}

#[test]
fn rustc_says_the_same_with_tokio() {
    assert_same_messages("same-rustc-tokio", "check", WITH_TOKIO, &[]);
}

/// The function inside is no entry point, and the return type is written twice: lints that hardly anybody turns on.
const RESTRICTIONS: &[&str] = &["clippy::exit", "clippy::absolute_paths", "clippy::std_instead_of_core"];

#[test]
fn clippy_says_no_more() {
    assert_same_messages("same-clippy", "clippy", ALONE, RESTRICTIONS);
}

#[test]
fn clippy_says_no_more_with_tokio() {
    assert_same_messages("same-clippy-tokio", "clippy", WITH_TOKIO, RESTRICTIONS);
}

fn clippy_is_missing() -> bool {
    let version = Command::new(env!("CARGO")).args(["clippy", "--version"]).output();
    let missing = !version.is_ok_and(|output| output.status.success());
    if missing {
        println!("skipped: clippy is not installed");
    }
    missing
}

const FRAMEWORK: &str = "
//! A crate that brings the attribute and the runtime along.
pub use daemon_runtime as runtime;
pub use daemon_runtime::daemon;

/// Its own way to write a main.
#[macro_export]
macro_rules! program {
    ($body:block) => {
        #[$crate::daemon(setup = 3, crate = $crate::runtime)]
        fn main(number: u8, ready: $crate::runtime::Ready) {
            let _: u8 = number;
            ready.notify();
            $body
        }
    };
}
";

const BY_FRAMEWORK: &str = "
#![deny(warnings)]

#[framework::daemon(setup = 3, umask = 0, crate = framework::runtime)]
fn main(number: u8, ready: framework::runtime::Ready) {
    let _ = number;
    ready.notify();
}
";

const BY_OTHER_NAME: &str = "
#![deny(warnings)]

#[background::daemon(setup = 3, umask = 0, crate = ::background)]
fn main(number: u8, ready: background::Ready) {
    let _ = number;
    ready.notify();
}
";

const OF_ANY_EDITION: &str = "
#![deny(warnings)]
extern crate daemon_runtime;

#[daemon_runtime::daemon(setup = 3, umask = 0)]
fn main(number: u8, ready: daemon_runtime::Ready) {
    let _ = number;
    ready.notify();
}
";

const LIBRARY: &str = "
#![deny(warnings, missing_docs, clippy::pedantic)]
//! A function that becomes the daemon, in a library.

use daemon_runtime::{Ready, daemon};

/// Serves.
///
/// # Errors
///
/// Never, which clippy does not say of a public function.
#[daemon(chdir = directory, trace)]
pub fn serve(directory: &std::path::Path, level: &u8, table: [u8; 5000], ready: Ready) -> std::io::Result<usize> {
    ready.notify();
    Ok(directory.as_os_str().len() + usize::from(*level) + table.len())
}
";

const BY_LIBRARY: &str = "
fn main() -> std::io::Result<()> {
    library::serve(\"/\".as_ref(), &3, [0; 5000]).map(drop)
}
";

const PEDANTIC: &str = "
#![deny(warnings, clippy::pedantic)]
#![forbid(unsafe_code)]
//! A main that only borrows what it has by value, and has a parameter for an option alone.

use daemon_runtime::{Ready, daemon};

struct Args {
    name: String,
    level: u8,
}

#[daemon(setup = (Args { name: String::new(), level: 3 }, true), foreground = *foreground)]
fn main((args, foreground): (Args, bool), ready: Ready) -> Result<(), String> {
    fn first() {}
    first();
    println!(\"{} {}\", args.name, args.level);
    ready.notify();
    if args.name.is_empty() { Err(args.name.clone()) } else { Ok(()) }
}
";

/// The runtime by other names, where `daemon_runtime` is no dependency, and in crates of every edition.
#[test]
fn other_crates() {
    let file = |name: &str, text: &str| [(name.to_owned(), text.to_owned())];
    let manifest = |edition: &str, dependency: &str| {
        format!("version = \"0.1.0\"\nedition = \"{edition}\"\n[dependencies]\n{dependency}\n")
    };
    let runtime = manifest("2024", "daemon-runtime = { RUNTIME }");
    let framework = manifest("2021", "framework = { path = \"../framework\" }");
    let other_name = manifest("2024", "background = { package = \"daemon-runtime\", RUNTIME }");
    let macro_text = "framework::program!({ println!(); });";
    let editions = ["2015", "2018", "2021", "2024"].map(|edition| manifest(edition, "daemon-runtime = { RUNTIME }"));
    let program = file("src/main.rs", OF_ANY_EDITION);
    let root = workspace(
        "other-crates",
        &[
            ("framework", &runtime, &file("src/lib.rs", FRAMEWORK)),
            ("by-framework", &framework, &file("src/main.rs", BY_FRAMEWORK)),
            ("by-macro", &framework, &file("src/main.rs", macro_text)),
            ("by-other-name", &other_name, &file("src/main.rs", BY_OTHER_NAME)),
            ("library", &runtime, &file("src/lib.rs", LIBRARY)),
            ("by-library", &manifest("2024", "library = { path = \"../library\" }"), &file("src/main.rs", BY_LIBRARY)),
            ("pedantic", &editions[3], &file("src/main.rs", PEDANTIC)),
            ("edition-2015", &editions[0], &program),
            ("edition-2018", &editions[1], &program),
            ("edition-2021", &editions[2], &program),
            ("edition-2024", &editions[3], &program),
        ],
    );
    let command = if clippy_is_missing() { "check" } else { "clippy" };
    let output = cargo(&root, &[command, "--offline", "--workspace"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
