//! The same with descriptors to keep; see `literal.rs` and `tests::fixture`.

use daemon_runtime::daemon;
use tests::fixture::{self, begin, body};

#[daemon(keep_fds = [17, 9])]
fn main() -> fixture::Result {
    begin();
    body(None)
}
