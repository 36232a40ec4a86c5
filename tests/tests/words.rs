//! What an error says to whoever starts a program, who has not written it: compared as a whole.

use std::fs;
use std::path::Path;

use tests::{Family, Launch, with};

const BY_METHODS: &str = env!("CARGO_BIN_EXE_by_methods");

fn said(launch: Launch<'_>, code: i32, words: &str) {
    let family = launch.family();
    let said = format!("by_methods: {words}\n").replace("DIR", &family.directory().to_string_lossy());
    launch.run().assert_code(code).assert_stderr(&said);
}

#[test]
fn a_start_that_fails() {
    let family = Family::new();
    let path = |name: &str| family.path(name).display().to_string();
    fs::create_dir(family.path("directory")).expect("a directory");
    let cases: [(&str, String, i32, &str); 8] = [
        ("stderr", path("app/app.log"), 73, "open log DIR/app/app.log: its directory does not exist; create it"),
        ("stdout", path("app/app.log"), 73, "open log DIR/app/app.log: its directory does not exist; create it"),
        ("pid_file", path("app/app.pid"), 73, "lock pid file DIR/app/app.pid: its directory does not exist; create it"),
        ("stdout", path("directory"), 73, "open log DIR/directory: Is a directory; correct the path"),
        (
            "stdin",
            path("input"),
            73,
            "open stdin DIR/input: No such file or directory; correct the path, or create what is missing",
        ),
        (
            "chdir",
            path("missing"),
            71,
            "change directory to DIR/missing: No such file or directory; correct the path, or create what is missing",
        ),
        (
            "user",
            "no-such-user".into(),
            67,
            "find user no-such-user: there is no such user; correct the name, or create it",
        ),
        (
            "start_timeout",
            "1500".into(),
            75,
            "start the daemon: it was not ready after 1.5 s; look at what it has printed, or try again",
        ),
    ];
    for (option, value, code, words) in &cases {
        let launch = with(family.launch(BY_METHODS), &[(option, value)]);
        let launch = if *option == "start_timeout" { launch.arg("pause") } else { launch };
        said(launch, *code, &format!("cannot {words}"));
    }
    family.assert_gone();
}

/// The one number that matters is in it.
#[test]
fn a_second_start() {
    let family = Family::new();
    let launch = || family.launch(BY_METHODS).env("DAEMON_PID_FILE", family.path("pid"));
    launch().run().assert_code(0);
    let pid = family.daemon().pid;
    let words =
        format!("cannot lock pid file DIR/pid: held by process {pid}; stop it first, or choose another pid file");
    said(launch(), 69, &words);
}

/// An option has its Rust name in a message only where its value is the mistake: in `Daemon::check`, and where a descriptor to keep is
/// not open. Other systems say what they leave out.
#[test]
fn options_are_not_called_by_their_rust_names() {
    const NAMES: [&str; 9] = [
        "create_directories",
        "ignore_sigchld",
        "keep_env",
        "keep_fds",
        "no_core_dumps",
        "no_new_privileges",
        "pid_file",
        "reopen_on_sighup",
        "start_timeout",
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon-runtime/src");
    let mut directories = vec![source.clone()];
    let (mut found, mut literals) = (Vec::new(), 0);
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(&directory).expect("the source") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(&source).expect("it is in there").to_string_lossy().into_owned();
            if path.is_dir() {
                directories.push(path);
            } else if name.ends_with(".rs") && !["daemon.rs", "elsewhere.rs", "step/descriptors.rs"].contains(&&*name) {
                let text = fs::read_to_string(&path).expect("a text");
                let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                for line in code {
                    // What the braces name is not printed as it stands.
                    let strings = line
                        .split('"')
                        .skip(1)
                        .step_by(2)
                        .flat_map(|it| it.split('{').map(|it| it.split('}').next_back()));
                    for string in strings.flatten() {
                        literals += 1;
                        // A system that lacks it says so by its name.
                        let is_in = |option: &&&str| string.contains(**option) && string != "set no_new_privileges";
                        found.extend(NAMES.iter().find(is_in).map(|option| format!("{name}: {option} in {string:?}")));
                    }
                }
            }
        }
    }
    assert!(literals > 300, "only {literals}");
    assert!(found.is_empty(), "{found:#?}");
}
