//! The property list in `examples/echo` is one of launchd: the rules of the format, and the keys of launchd.plist(5). macOS itself is
//! not asked.

use std::path::Path;

use plist::{Dictionary, Value};

fn property_list() -> Dictionary {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/echo/org.example.echo-server.plist");
    Value::from_file(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_dictionary().unwrap()
}

fn strings<'a>(list: &'a Dictionary, key: &str) -> Vec<&'a str> {
    list[key].as_array().unwrap().iter().map(|value| value.as_string().unwrap()).collect()
}

#[test]
fn keys_have_the_types_of_launchd() {
    for (key, value) in &property_list() {
        let is_right = match key.as_str() {
            "Label" | "UserName" | "StandardOutPath" | "StandardErrorPath" => value.as_string().is_some(),
            "ProgramArguments" => value.as_array().is_some(),
            "RunAtLoad" => value.as_boolean().is_some(),
            "KeepAlive" => value.as_dictionary().is_some_and(|when| when["SuccessfulExit"] == Value::Boolean(false)),
            _ => panic!("{key} is not known here: look in launchd.plist(5)"),
        };
        assert!(is_right, "{key}: {value:?}");
    }
}

#[test]
fn label_is_the_name_of_the_file_and_the_program_is_absolute() {
    let list = property_list();
    assert_eq!(list["Label"].as_string(), Some("org.example.echo-server"));
    assert!(strings(&list, "ProgramArguments")[0].starts_with('/'));
}

/// launchd adds a message of its own to a job that detaches: these words would make the program do it.
#[test]
fn job_has_neither_a_verb_that_detaches_nor_a_pid_file() {
    let list = property_list();
    let arguments = strings(&list, "ProgramArguments");
    assert!(!arguments.contains(&"start") && !arguments.contains(&"--pid-file"), "{arguments:?}");
}
