//! Where client and server meet: one directory a user.

use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::client::Result;

/// The files that client and server agree on.
pub(crate) struct Place {
    pub(crate) socket: PathBuf,
    pub(crate) pid_file: PathBuf,
    pub(crate) log: PathBuf,
}

impl Place {
    /// `$XDG_RUNTIME_DIR/agent`, or `~/.local/state/agent` where nobody has made a directory for the session.
    pub(crate) fn find() -> Result<Place> {
        let directory = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = directory("XDG_RUNTIME_DIR").or_else(|| Some(directory("HOME")?.join(".local/state")));
        let own = base.ok_or("neither XDG_RUNTIME_DIR nor HOME is set")?.join("agent");
        // For this user alone: nobody else can lock the pid file, or answer in the server's place.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&own)
            .map_err(|error| format!("{}: {error}", own.display()))?;
        Ok(Place { socket: own.join("socket"), pid_file: own.join("pid"), log: own.join("log") })
    }
}
