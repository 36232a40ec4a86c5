//! The environment, daemon(7), step 4: what describes the terminal goes, what configures the program stays.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use nix::unistd::geteuid;

use crate::step::credentials::Credentials;
use crate::sys::{clear_env, overwrite_initial_env, set_env};

/// What describes the terminal or the shell, which the daemon outlives. It always goes. A name that ends in `*` is a prefix.
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
    "GPG_TTY",              // the device, which somebody else may get next
    "SSH_CLIENT",           // the connection
    "SSH_CONNECTION",       // the connection
    "SSH_TTY",              // its terminal
    "SSH_ORIGINAL_COMMAND", // what was to be done over the connection
    "TMUX*",                // the multiplexer's socket and pane
    "STY",                  // screen's session
    "WINDOW",               // screen's window
    "XDG_ACTIVATION_TOKEN", // the click that started the program
    "DESKTOP_STARTUP_ID",   // the click that started the program
    "PWD",                  // the shell's working directory, which is not the daemon's
    "OLDPWD",               // the one before
    "SHLVL",                // how deep shells are nested
    "_",                    // what the shell called the program
];

/// What describes the login session. A user's own daemon keeps it, and needs it to find its clients; it goes for root's, and
/// where `user` changes who the daemon is.
#[rustfmt::skip]
const SESSION: &[&str] = &[
    "DISPLAY",              // the X server
    "XAUTHORITY",           // the key to that
    "ICEAUTHORITY",         // the key to the session manager
    "WAYLAND_DISPLAY",      // the compositor
    "WAYLAND_SOCKET",       // a connection to that
    "SSH_AUTH_SOCK",        // an agent that goes with the session
    "SSH_AGENT_PID",        // the same
    "GPG_AGENT_INFO",       // an agent that goes with the session
    "XDG_RUNTIME_DIR",      // a directory that goes with the session
    "XDG_SESSION_*",        // the session
    "XDG_SEAT*",            // the seat that it was at
    "XDG_VTNR",             // the virtual terminal
    "XDG_CURRENT_DESKTOP",  // the desktop
    "DESKTOP_SESSION",      // the desktop
    "DBUS_SESSION_BUS_*",   // the user's message bus
    "SESSION_MANAGER",      // its socket
    "SUDO_*",               // who has typed the command
    "DOAS_USER",            // the same
    "PKEXEC_UID",           // the same
];

/// What belongs to the user who starts the program. It goes where `user` changes who the daemon is.
#[rustfmt::skip]
const OLD_USER: &[&str] = &[
    "MAIL",                 // a mailbox
    "XDG_CONFIG_HOME",      // a directory of that user
    "XDG_CACHE_HOME",       // the same
    "XDG_DATA_HOME",        // the same
    "XDG_STATE_HOME",       // the same
    "KRB5CCNAME",           // credentials
    "TMPDIR",               // a directory that may be private
];

/// What is for a service that this process is not: a client's, or that of the terminal it was started in.
const FOREIGN_SERVICE: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// A PATH for programs that the daemon starts, as systemd sets it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of the socket passing protocol of sd_listen_fds(3), which are not the environment's to drop.
const PASSED_SOCKETS: &[&str] = &["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What of the environment goes.
pub(crate) enum Unwanted<'a> {
    These(Vec<OsString>),
    AllBut(&'a [OsString]),
}

impl<'a> Unwanted<'a> {
    /// Found out in the launcher: in a forked process each first touch of the memory takes longer.
    pub(crate) fn find(keep: Option<&'a [OsString]>, credentials: &Credentials, is_foreign_service: bool) -> Self {
        if let Some(keep) = keep {
            return Unwanted::AllBut(keep);
        }
        let changes_user = credentials.change_user();
        let lists = [
            (TERMINAL, true),
            (SESSION, changes_user || geteuid().is_root()),
            (OLD_USER, changes_user),
            (FOREIGN_SERVICE, is_foreign_service),
        ];
        let lists = lists.into_iter().filter(|(_, goes)| *goes).flat_map(|(names, _)| names);
        let patterns: Vec<&str> = lists.copied().collect();
        let is_unwanted = |name: &OsString| patterns.iter().any(|pattern| matches(pattern, name));
        Unwanted::These(env::vars_os().map(|(name, _)| name).filter(is_unwanted).collect())
    }

    pub(crate) fn remove(self) {
        let keep = match self {
            Unwanted::These(names) => return names.iter().for_each(|name| set_env(name, None)),
            Unwanted::AllBut(keep) => keep,
        };
        let is_kept =
            |name: &OsStr| keep.iter().any(|kept| kept == name) || PASSED_SOCKETS.iter().any(|passed| name == *passed);
        let variables: Vec<(OsString, OsString)> = env::vars_os().filter(|(name, _)| is_kept(name)).collect();
        clear_env();
        overwrite_initial_env(|name| is_kept(OsStr::from_bytes(name)));
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
