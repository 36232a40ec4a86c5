//! What the daemon and the programs that it starts can no longer do.

use nix::sys::prctl::{set_dumpable, set_no_new_privs};
use nix::sys::resource::{Resource, setrlimit};

use crate::error::{Error, Result, Step};
use crate::sys::retry;

/// execve(2) of a set-user-ID program gives no rights from now on: PR_SET_NO_NEW_PRIVS.
pub(crate) fn forbid_new_privileges() -> Result<()> {
    retry(set_no_new_privs).map_err(|errno| Error::system(Step::Privileges, "set no_new_privileges", errno))
}

/// core(5): no dump, and no look at the memory. After the last change of ids, which would make it dumpable again.
pub(crate) fn forbid_core_dumps() -> Result<()> {
    let failed = |errno| Error::system(Step::Privileges, "forbid core dumps", errno);
    retry(|| setrlimit(Resource::RLIMIT_CORE, 0, 0)).map_err(failed)?;
    retry(|| set_dumpable(false)).map_err(failed)
}
