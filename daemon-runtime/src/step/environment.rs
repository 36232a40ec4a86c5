//! The environment: what describes the terminal goes, what configures the program stays.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::step::credentials::Credentials;
use crate::sys::{clear_env, set_env};

/// What describes the launching terminal or login session, which the daemon outlives. A name that ends in `*` is a
/// prefix.
#[rustfmt::skip]
const TERMINAL: &[&str] = &[
    "TERM",                 // the kind of terminal: there is none
    "TERM_*",               // its program and version
    "TERMCAP",              // its capabilities, from screen
    "COLORTERM",            // its colours
    "COLUMNS",              // its size
    "LINES",                // its size
    "VTE_VERSION",          // its emulator
    "KONSOLE_*",            // its emulator
    "WT_SESSION",           // its emulator
    "WINDOWID",             // its window
    "DISPLAY",              // its X server
    "XAUTHORITY",           // the key to that
    "ICEAUTHORITY",         // the key to the session manager
    "WAYLAND_DISPLAY",      // its compositor
    "GPG_TTY",              // the device, which somebody else may get next
    "GPG_AGENT_INFO",       // an agent that goes with the session
    "SSH_*",                // the connection, its terminal, and an agent that goes with it
    "TMUX*",                // the multiplexer's socket and pane
    "STY",                  // screen's session
    "WINDOW",               // screen's window
    "XDG_SESSION_*",        // the login session
    "XDG_SEAT*",            // the seat that it was at
    "XDG_VTNR",             // the virtual terminal
    "XDG_CURRENT_DESKTOP",  // the desktop
    "XDG_ACTIVATION_TOKEN", // the click that started the program
    "XDG_RUNTIME_DIR",      // a directory that goes with the login session
    "DBUS_SESSION_BUS_*",   // a socket in that
    "DESKTOP_SESSION",      // the desktop
    "DESKTOP_STARTUP_ID",   // the click that started the program
    "SESSION_MANAGER",      // its socket
    "SUDO_*",               // who has typed the command
    "PWD",                  // the shell's working directory, which is not the daemon's
    "OLDPWD",               // the one before
    "SHLVL",                // how deep shells are nested
    "_",                    // what the shell called the program
];

/// A PATH for programs that the daemon starts, as systemd sets it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of the socket passing protocol of sd_listen_fds(3), which are not the environment's to drop.
const PASSED_SOCKETS: &[&str] = &["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What of the environment goes.
pub(crate) enum Unwanted<'a> {
    /// What describes the terminal.
    These(Vec<OsString>),
    /// Everything but this.
    AllBut(&'a [OsString]),
}

impl<'a> Unwanted<'a> {
    /// Found out in the launcher: in a forked process each first touch of the memory takes longer.
    pub(crate) fn find(keep: Option<&'a [OsString]>) -> Self {
        let of_terminal = |name: &OsString| TERMINAL.iter().any(|pattern| matches(pattern, name));
        let these = || env::vars_os().map(|(name, _)| name).filter(of_terminal).collect();
        keep.map_or_else(|| Unwanted::These(these()), Unwanted::AllBut)
    }

    pub(crate) fn clear(self) {
        let keep = match self {
            Unwanted::These(names) => return names.iter().for_each(|name| set_env(name, None)),
            Unwanted::AllBut(keep) => keep,
        };
        let kept =
            |name: &OsStr| keep.iter().any(|kept| kept == name) || PASSED_SOCKETS.iter().any(|passed| name == *passed);
        let variables: Vec<(OsString, OsString)> = env::vars_os().filter(|(name, _)| kept(name)).collect();
        clear_env();
        if !keep.iter().any(|name| name == "PATH") {
            set_env(OsStr::new("PATH"), Some(OsStr::new(DEFAULT_PATH)));
        }
        variables.iter().for_each(|(name, value)| set_env(name, Some(value)));
    }
}

/// Makes the sockets that were passed to the launcher the daemon's: sd_listen_fds(3) compares the pid.
///
/// What was meant for another process goes. So does LISTEN_PIDFDID, newer systemd's number of the launcher's pidfd,
/// which is optional.
pub(crate) fn pass_sockets(any: bool) {
    set_env(OsStr::new("LISTEN_PIDFDID"), None);
    // A library may have taken them out and keep the sockets itself.
    match any && env::var_os("LISTEN_FDS").is_some() {
        true => set_env(OsStr::new("LISTEN_PID"), Some(OsStr::new(&std::process::id().to_string()))),
        false => PASSED_SOCKETS.iter().for_each(|name| set_env(OsStr::new(name), None)),
    }
}

/// The variables of environ(7) that name the user.
pub(crate) fn set_user(credentials: &Credentials) {
    let Some(user) = &credentials.user else { return };
    // A number without an entry in the user database has none of these, but HOME must not stay root's.
    let name = user.name.as_deref().map(OsStr::new);
    set_env(OsStr::new("USER"), name);
    set_env(OsStr::new("LOGNAME"), name);
    set_env(OsStr::new("HOME"), Some(user.home.as_os_str()));
    set_env(OsStr::new("SHELL"), Some(user.shell.as_os_str()));
}

fn matches(pattern: &str, name: &OsStr) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.as_bytes().starts_with(prefix.as_bytes()),
        None => name == pattern,
    }
}
