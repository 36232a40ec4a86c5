//! A fixture with the attribute twice, once by another name.

use daemon_runtime::{daemon, daemon as other};
use tests::fixture::{self, begin, body};

#[daemon(umask = 0)]
#[other(chdir = "/")]
fn main() -> fixture::Result {
    begin();
    body(None)
}
