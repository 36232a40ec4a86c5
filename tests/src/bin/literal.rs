//! A fixture with nothing but literals, before which nothing can be opened; see `tests::fixture`.

use daemon_runtime::daemon;
use tests::fixture::{self, begin, body};

#[daemon(umask = 0o022, chdir = "/")]
fn main() -> fixture::Result {
    begin();
    body(None)
}
