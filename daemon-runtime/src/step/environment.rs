//! The environment, daemon(7), step 4: what describes the terminal goes, what configures the program stays.

use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::step::credentials::Credentials;
use crate::supervisor::{is_foreign_service, is_own_pid};
use crate::sys::{clear_env, set_env};

/// What describes the terminal or the shell, which the daemon outlives. It always goes. A name that ends in `*` is a prefix.
#[rustfmt::skip]
const TERMINAL: &[&str] = &[
    "TERM", "TERM_*", "TERMCAP", "COLORTERM", "COLUMNS", "LINES", // the kind of terminal, and its size: there is none
    "VTE_VERSION", "KONSOLE_*", "WT_SESSION", "WINDOWID",         // its emulator and window
    "GPG_TTY",                                                    // the device, which somebody else may get next
    "SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_ORIGINAL_COMMAND", // the connection
    "TMUX*", "STY", "WINDOW",                                     // the multiplexer
    "XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID",                 // the click that started the program
    "PWD", "OLDPWD", "SHLVL", "_",                                // the shell
];

/// What names descriptors, which are closed: make's job server, a connection to the compositor or to a parent.
const DESCRIPTORS: &[&str] = &["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "WAYLAND_SOCKET", "NODE_CHANNEL_FD"];

/// What describes the login session, by which a daemon finds its clients. It goes where `user` changes who the daemon is.
#[rustfmt::skip]
const SESSION: &[&str] = &[
    "DISPLAY", "XAUTHORITY", "ICEAUTHORITY", "WAYLAND_DISPLAY",      // the display, and the keys to it
    "SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO",              // agents
    "XDG_RUNTIME_DIR", "XDG_SESSION_*", "XDG_SEAT*", "XDG_VTNR",     // the session, its directory and seat
    "XDG_CURRENT_DESKTOP", "DESKTOP_SESSION",                        // the desktop
    "DBUS_SESSION_BUS_*", "SESSION_MANAGER",                         // the user's message bus, and the session's socket
    "SUDO_*", "DOAS_USER", "PKEXEC_UID",                             // who has typed the command
];

/// What belongs to the user who starts the program: a mailbox, directories, credentials. It goes where `user` changes who the daemon
/// is.
#[rustfmt::skip]
const OLD_USER: &[&str] = &[
    "MAIL", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "KRB5CCNAME", "TMPDIR",
];

/// What is for a service that this process is not: a client's, or that of the terminal it was started in.
const FOREIGN_SERVICE: &[&str] = &["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC"];

/// A PATH for programs that the daemon starts, as systemd sets it.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables of the socket passing protocol of sd_listen_fds(3), which are not the environment's to drop.
const PASSED_SOCKETS: &[&str] = &["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// What of the environment goes.
pub(crate) struct Unwanted<'a> {
    names: Vec<OsString>,
    /// If all others go.
    keep: Option<&'a [OsString]>,
    /// The variables that hold the launcher's pid, and say whom they are for.
    own_pids: Vec<&'static str>,
}

impl<'a> Unwanted<'a> {
    /// Found out in the launcher: in a forked process each first touch of the memory takes longer.
    pub(crate) fn find(keep: Option<&'a [OsString]>, credentials: &Credentials, is_spawned: bool) -> Self {
        // What a service manager has passed to a client is for that.
        let is_own = |name: &&str| !is_spawned && is_own_pid(name);
        let own_pids: Vec<_> = ["LISTEN_PID", "WATCHDOG_PID"].into_iter().filter(is_own).collect();
        let (by_default, changes_user) = (keep.is_none(), credentials.change_user());
        let lists = [
            (TERMINAL, by_default),
            (DESCRIPTORS, by_default),
            (SESSION, by_default && changes_user),
            (OLD_USER, by_default && changes_user),
            (FOREIGN_SERVICE, by_default && (is_spawned || is_foreign_service())),
            (PASSED_SOCKETS, !own_pids.contains(&"LISTEN_PID")),
            // Newer systemd's number of the launcher's pidfd, which is optional.
            (&["LISTEN_PIDFDID"], true),
        ];
        let is_unwanted = |name: &OsString| lists.iter().any(|(patterns, goes)| *goes && matches(patterns, name));
        let names = env::vars_os().map(|(name, _)| name).filter(is_unwanted).collect();
        Unwanted { names, keep, own_pids }
    }

    pub(crate) fn remove(self) {
        if let Some(keep) = self.keep {
            keep_only(keep);
        }
        self.names.iter().for_each(|name| set_env(name, None));
        // sd_listen_fds(3) and sd_watchdog_enabled(3) compare the pid.
        for name in self.own_pids.iter().filter(|name| env::var_os(name).is_some()) {
            set_env(OsStr::new(name), Some(OsStr::new(&std::process::id().to_string())));
        }
    }
}

fn keep_only(keep: &[OsString]) {
    let variables: Vec<(OsString, OsString)> = env::vars_os().filter(|(name, _)| is_kept(keep, name)).collect();
    clear_env(|name| is_kept(keep, OsStr::from_bytes(name)));
    if !keep.iter().any(|name| name == "PATH") {
        set_env(OsStr::new("PATH"), Some(OsStr::new(DEFAULT_PATH)));
    }
    variables.iter().for_each(|(name, value)| set_env(name, Some(value)));
}

fn is_kept(keep: &[OsString], name: &OsStr) -> bool {
    keep.iter().any(|kept| kept == name) || PASSED_SOCKETS.iter().any(|passed| name == *passed)
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

fn matches(patterns: &[&str], name: &OsStr) -> bool {
    patterns.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.as_bytes().starts_with(prefix.as_bytes()),
        None => name == *pattern,
    })
}
