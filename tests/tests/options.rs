//! The options stand in the macro's lists, in the documentation's table, and the rules about their
//! values in the macro and in the runtime. None may say more or less than the others.
#![cfg(linux_alone)] // The sources are read, and are the same everywhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn source(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect(path)
}

/// The names of the options in one of the macro's lists.
fn list(name: &str) -> BTreeSet<String> {
    let source = source("daemon-macro/src/options.rs");
    let (_, list) = source.split_once(&format!("const {name}: &str = \"")).expect("the macro's list");
    let (list, _) = list.split_once("\";").expect("its end");
    list.split_whitespace().filter(|word| *word != "\\").map(str::to_owned).collect()
}

/// The names of all options.
fn all_options() -> BTreeSet<String> {
    let (flags, others) = (list("FLAGS"), list("WITH_VALUE"));
    assert!(flags.is_disjoint(&others), "an option is in both lists");
    &flags | &others
}

/// Name and value of each row of a table in Markdown that begins with "option", where a row may stand for two options.
fn documented(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(|line| line.trim_start_matches("//!").trim());
    let rows =
        lines.skip_while(|line| !line.starts_with("| option |")).skip(2).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let mut columns = line.trim_matches('|').split('|');
        let (names, value) = (columns.next().expect("names"), columns.next().expect("a value").trim());
        names.split(',').map(|name| (name.trim().trim_matches('`').to_owned(), value.to_owned())).collect::<Vec<_>>()
    };
    rows.flat_map(row).collect()
}

#[test]
fn documentation_has_all_options() {
    let rows = documented(&source("daemon-runtime/src/lib.rs"));
    let names: BTreeSet<String> = rows.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, all_options(), "documentation and macro");
    assert_eq!(names.len(), rows.len(), "an option is documented twice");
    let flags = rows.into_iter().filter(|(_, value)| value == "flag, or bool").map(|(name, _)| name);
    assert_eq!(flags.collect::<BTreeSet<_>>(), list("FLAGS"), "what needs no value");
}

/// The macro says about a literal what the runtime says about any other value.
#[test]
fn rules_have_the_same_words() {
    fn rules<'a>(text: &'a str, end: &str) -> BTreeSet<&'a str> {
        let rules = text.split('"').filter(|text| text.starts_with("must ")).collect::<BTreeSet<_>>();
        assert!(rules.len() > 9, "{end}: only {rules:?}");
        rules
    }
    let (r#macro, runtime) = (source("daemon-macro/src/rules.rs"), source("daemon-runtime/src/daemon.rs"));
    assert_eq!(rules(&r#macro, "macro"), rules(&runtime, "runtime"));
}

#[test]
fn readme_has_the_same_table() {
    let runtime = documented(&source("daemon-runtime/src/lib.rs"));
    assert_eq!(documented(&source("README.md")), runtime);
}

/// All options but those of the attribute alone are methods of `Daemon`, and nothing else is.
#[test]
fn daemon_has_a_method_for_each() {
    let source = source("daemon-runtime/src/daemon.rs");
    let (_, options) = source.split_once("\noptions! {\n").expect("the methods");
    let (options, _) = options.split_once("\n}\n").expect("their end");
    let lines = options.lines().map(str::trim).filter(|line| !line.starts_with("///"));
    let methods: BTreeSet<String> = lines.map(|line| line.split(':').next().expect("a name").to_owned()).collect();
    let mut names = all_options();
    for only_of_the_attribute in ["setup", "crate"] {
        assert!(names.remove(only_of_the_attribute), "the macro has no {only_of_the_attribute}");
    }
    assert_eq!(methods, names);
}

/// The fixtures of the tests take each option from the environment.
#[test]
fn fixture_has_an_expression_for_each() {
    let source = source("tests/src/fixture.rs");
    let (_, attribute) = source.split_once("#[daemon_runtime::daemon(\n").expect("the attribute");
    let (attribute, _) = attribute.split_once(")]").expect("its end");
    let lines = attribute.lines().filter_map(|line| line.strip_prefix("            ")?.split_once(" = "));
    let given: BTreeSet<String> = lines.map(|(name, _)| name.trim_start_matches("$(").to_owned()).collect();
    let mut names = all_options();
    assert!(names.remove("crate"), "the macro has no crate");
    assert_eq!(given, names);
}

/// CONTRIBUTING says how to add an option in five steps: these are the files that know one. A file under step/ has a
/// function for it, and does not know what the option is called.
#[test]
fn five_steps_are_all() {
    let mut know = BTreeSet::new();
    for directory in ["daemon-macro/src", "daemon-runtime/src", "daemon-runtime/src/step"] {
        for entry in Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(directory).read_dir().expect(directory) {
            let path = entry.expect("an entry").path();
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let mut lines = text.lines().filter(|line| !line.trim_start().starts_with("//") || line.contains("| `"));
            if lines.any(|line| line.contains("no_core_dumps")) {
                know.insert(path.file_name().expect("a name").to_string_lossy().into_owned());
            }
        }
    }
    let steps = ["options.rs", "daemon.rs", "start.rs", "lib.rs", "elsewhere.rs"];
    assert_eq!(know, steps.map(String::from).into());
}
