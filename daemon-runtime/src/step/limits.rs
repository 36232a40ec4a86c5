//! What the daemon and the programs that it starts can no longer do.

use crate::error::{OrFail, Result, Step};
use crate::sys;

/// execve(2) of a set-user-ID program gives no rights from now on.
pub(crate) fn forbid_new_privileges() -> Result<()> {
    sys::forbid_new_privileges().or_fail(Step::Privileges, "forbid new privileges")
}

/// core(5): no dump. After the last change of ids, which sets anew whether a dump is allowed.
pub(crate) fn forbid_core_dumps() -> Result<()> {
    sys::forbid_core_dumps().or_fail(Step::Privileges, "forbid core dumps")
}
