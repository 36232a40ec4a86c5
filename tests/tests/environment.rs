//! The environment that the daemon, and every program that it starts, gets.
#![cfg(linux_alone)] // /proc shows the environment that a process was given.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use std::path::Path;

use tests::{Family, Launch, Proc, TAG};

const PROGRAMS: [&str; 2] = [env!("CARGO_BIN_EXE_ready"), env!("CARGO_BIN_EXE_opens_in_setup")];
const PAUSING: &str = env!("CARGO_BIN_EXE_pausing");

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

type Variables = BTreeSet<OsString>;

fn variables<S: AsRef<OsStr>>(of: impl IntoIterator<Item = S>) -> Variables {
    of.into_iter().map(|variable| variable.as_ref().to_owned()).collect()
}

/// A launch with no variables but these, `NAME=value`, and the family's own.
fn launch<'a>(family: &'a Family, program: &str, given: &[&str]) -> Launch<'a> {
    let mut launch = family.launch(program);
    launch.command().env_clear();
    let split = |variable: &&str| variable.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    given
        .iter()
        .filter_map(split)
        .fold(launch.env(TAG, family.directory()), |launch, (name, value)| launch.env(name, value))
}

/// What a program that the daemon becomes has in its environment, without the family's own and the options.
fn variables_of_program(family: &Family, launch: Launch<'_>) -> Variables {
    launch.args(["notify", &format!("exec={PAUSING}")]).run().assert_code(0).assert_stderr("");
    environment_of_pausing(family)
}

fn environment_of_pausing(family: &Family) -> Variables {
    let pausing = family.named("pausing");
    let own = |variable: &Vec<u8>| variable.starts_with(TAG.as_bytes()) || variable.starts_with(b"DAEMON_");
    let all = Proc::environ(pausing.pid).into_iter().filter(|variable| !variable.is_empty() && !own(variable));
    all.map(OsString::from_vec).collect()
}

/// What describes the terminal, or names descriptors.
const TERMINAL: &[&str] = &[
    "TERM=xterm",
    "TERM_PROGRAM=tmux",
    "TERM_PROGRAM_VERSION=3.4",
    "COLORTERM=truecolor",
    "COLUMNS=80",
    "LINES=24",
    "SSH_CLIENT=192.0.2.1 1 22",
    "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22",
    "SSH_TTY=/dev/pts/3",
    "TMUX=/tmp/tmux-0/default,1,0",
    "TMUX_PANE=%0",
    "STY=1.pts-0.host",
    "WINDOW=0",
    "WINDOWID=1",
    "GPG_TTY=/dev/pts/3",
    "PWD=/home/me",
    "OLDPWD=/",
    "SHLVL=3",
    "_=./program",
    "MAKEFLAGS= -j --jobserver-auth=3,4",
    "MFLAGS=-j",
    "CARGO_MAKEFLAGS=--jobserver-fds=3,4",
    "WAYLAND_SOCKET=5",
    "NODE_CHANNEL_FD=6",
];

/// What describes the login session, which is the daemon's too if it is the same user's.
const SESSION: &[&str] = &[
    "DISPLAY=:0",
    "XAUTHORITY=/home/me/.Xauthority",
    "WAYLAND_DISPLAY=wayland-0",
    "SSH_AUTH_SOCK=/tmp/ssh/agent.1",
    "SSH_AGENT_PID=1",
    "XDG_SESSION_ID=1",
    "XDG_SESSION_TYPE=tty",
    "XDG_SEAT=seat0",
    "XDG_VTNR=1",
    "XDG_RUNTIME_DIR=/run/user/0",
    "DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/0/bus",
];

/// What configures programs, also by names that only look like the others.
const PROGRAM: &[&str] = &[
    "PATH=/opt/bin:/bin",
    "HOME=/home/me",
    "USER=me",
    "LOGNAME=me",
    "SHELL=/bin/zsh",
    "LANG=de_DE.UTF-8",
    "LC_ALL=C",
    "TZ=Europe/Berlin",
    "TMPDIR=/var/tmp",
    "RUST_LOG=debug",
    "RUST_BACKTRACE=1",
    "HTTP_PROXY=http://proxy",
    "DATABASE_URL=postgres:///app?a=b=c",
    "EMPTY=",
    "TERMINAL=x",
    "TERMS=x",
    "SSHD=x",
    "STYLE=x",
    "MY_PWD=x",
    "PWDS=x",
    "__=x",
    "term=x",
    "DISPLAYS=x",
    "LINES_PER_PAGE=x",
];

#[test]
fn the_terminal_goes_and_the_rest_stays() {
    for program in PROGRAMS {
        let family = Family::new();
        let kept: Vec<&str> = SESSION.iter().chain(PROGRAM).copied().collect();
        let given: Vec<&str> = TERMINAL.iter().chain(&kept).copied().collect();
        assert_eq!(variables_of_program(&family, launch(&family, program, &given)), variables(kept));
    }
}

#[test]
fn no_variable_is_invented() {
    for program in PROGRAMS {
        let family = Family::new();
        assert_eq!(variables_of_program(&family, launch(&family, program, &[])), Variables::new());
    }
}

#[test]
fn variables_that_are_not_utf_8() {
    let (name, value) = (OsStr::from_bytes(b"N\xffAME"), OsStr::from_bytes(b"\xfe=\xfd"));
    let family = Family::new();
    let launch = launch(&family, PROGRAMS[0], &[]).env(name, value).env("TERM", value);
    assert_eq!(variables_of_program(&family, launch), variables([OsStr::from_bytes(b"N\xffAME=\xfe=\xfd")]));
}

#[test]
fn keep_env() {
    let given = ["RUST_LOG=debug", "TERM=xterm", "PATH=/opt/bin", "HOME=/home/me", "LANG=C", "SECRET=x", "RUST_LOGS=x"];
    let default_path = format!("PATH={DEFAULT_PATH}");
    let kept = |keep: &str, expected: &[&str]| {
        for program in PROGRAMS {
            let family = Family::new();
            // Without the family's variable nobody would find the program to kill it.
            let keep = format!("{TAG},{keep}");
            let launch = launch(&family, program, &given).env("DAEMON_KEEP_ENV", keep);
            assert_eq!(variables_of_program(&family, launch), variables(expected), "{program}");
        }
    };
    kept("RUST_LOG", &["RUST_LOG=debug", &default_path]);
    kept("RUST_LOG,HOME,NOT_THERE", &["RUST_LOG=debug", "HOME=/home/me", &default_path]);
    kept("NOT_THERE", &[&default_path]);
    kept("PATH", &["PATH=/opt/bin"]);
    // What is asked for by name is kept, whatever it describes.
    kept("TERM,PATH", &["TERM=xterm", "PATH=/opt/bin"]);
}

/// In the foreground the environment is the supervisor's business.
#[test]
fn foreground_keeps_the_environment() {
    let given = ["TERM=xterm", "PWD=/home/me", "SHLVL=1", "RUST_LOG=debug"];
    for keep in [None, Some("RUST_LOG")] {
        let family = Family::new();
        let launch = launch(&family, PROGRAMS[0], &given).env("DAEMON_FOREGROUND", "1");
        let launch = keep.into_iter().fold(launch, |launch, keep| launch.env("DAEMON_KEEP_ENV", keep));
        let _running = launch.args(["notify", &format!("exec={PAUSING}")]).start();
        assert_eq!(environment_of_pausing(&family), variables(given));
    }
}

/// Sockets that were passed to another process are none of the daemon's.
#[test]
fn sockets_passed_to_another_process() {
    for pid in ["1", "0", "-1", "", "x", "99999999999"] {
        let family = Family::new();
        let given = [&format!("LISTEN_PID={pid}"), "LISTEN_FDS=2", "LISTEN_FDNAMES=a:b", "LISTEN_PIDFDID=7", "LANG=C"];
        let given: Vec<&str> = given.iter().map(|variable| &**variable).collect();
        assert_eq!(
            variables_of_program(&family, launch(&family, PROGRAMS[0], &given)),
            variables(["LANG=C"]),
            "{pid:?}"
        );
    }
}

/// A name that no variable can have.
#[test]
fn wrong_names() {
    for (keep, says) in [("A,,B", "empty name"), ("A=B", "'='")] {
        let family = Family::new();
        let end = launch(&family, PROGRAMS[0], &[]).env("DAEMON_KEEP_ENV", keep).run();
        end.assert_code(64).assert_one_line().assert_says(&["keep_env", says]);
        family.assert_gone();
    }
}

/// The documentation's lists are those of the source, in the same order.
#[test]
fn documentation_has_all_variables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../daemon-runtime/src");
    let read = |file: &str| fs::read_to_string(root.join(file)).expect("a source");
    let (code, manual) = (read("step/environment.rs"), read("lib.rs"));
    let (_, code) = code.split_once("const TERMINAL").expect("the first list");
    let (code, _) = code.split_once("/// A PATH for").expect("the end of the last list");
    // The doc comments between them have no quotes.
    let in_code: Vec<&str> = code.split('"').skip(1).step_by(2).collect();
    let (_, manual) = manual.split_once("//! # The environment").expect("the section");
    let (manual, _) = manual.split_once("//! # ").expect("the next section");
    let all = manual.split('`').skip(1).step_by(2);
    let documented: Vec<&str> = all.filter(|word| *word != "*" && *word != "user").collect();
    assert!(in_code.len() > 50, "only {in_code:?}");
    assert_eq!(documented, in_code);
}
