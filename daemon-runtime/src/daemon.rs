//! What is asked for.

use std::ffi::OsString;
use std::os::fd::RawFd;
use std::path::PathBuf;
use std::time::Duration;

use crate::{Error, Id, Ready, Value};

/// A daemon to be: what is asked for, and [`start`](Daemon::start).
#[derive(Debug, Default)]
#[must_use = "nothing happens before `start`"]
pub struct Daemon {
    pub(crate) umask: Option<u32>,
    pub(crate) chdir: Option<PathBuf>,
    pub(crate) ignore_sigchld: bool,
    pub(crate) pid_file: Option<PathBuf>,
    pub(crate) stdin: Option<PathBuf>,
    pub(crate) stdout: Option<PathBuf>,
    pub(crate) stderr: Option<PathBuf>,
    pub(crate) reopen_on_sighup: bool,
    pub(crate) user: Option<Id>,
    pub(crate) group: Option<Id>,
    pub(crate) chroot: Option<PathBuf>,
    pub(crate) no_new_privileges: bool,
    pub(crate) no_core_dumps: bool,
    pub(crate) keep_fds: Vec<RawFd>,
    pub(crate) keep_env: Option<Vec<OsString>>,
    pub(crate) foreground: Option<bool>,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) trace: bool,
}

/// One method an option: the field, its type, whether it is kept as an `Option`.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: impl Value<$type>) -> Self {
            if let Some(value) = value.value() {
                self.$name = value.into();
            }
            self
        }
    )*};
}

impl Daemon {
    /// A daemon with the defaults.
    pub fn new() -> Self {
        Daemon::default()
    }

    options! {
        /// umask
        umask: u32;
        /// chdir
        chdir: PathBuf;
        /// ignore_sigchld
        ignore_sigchld: bool;
        /// pid_file
        pid_file: PathBuf;
        /// stdin
        stdin: PathBuf;
        /// stdout
        stdout: PathBuf;
        /// stderr
        stderr: PathBuf;
        /// reopen_on_sighup
        reopen_on_sighup: bool;
        /// user
        user: Id;
        /// group
        group: Id;
        /// chroot
        chroot: PathBuf;
        /// no_new_privileges
        no_new_privileges: bool;
        /// no_core_dumps
        no_core_dumps: bool;
        /// keep_fds
        keep_fds: Vec<RawFd>;
        /// keep_env
        keep_env: Vec<OsString>;
        /// foreground
        foreground: bool;
        /// start_timeout
        start_timeout: Duration;
        /// trace
        trace: bool;
    }

    /// Starts it.
    pub fn start(self) -> Result<Ready, Error> {
        todo!("placeholder of the first commit")
    }
}
