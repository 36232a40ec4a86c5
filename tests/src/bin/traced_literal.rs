//! What the attribute makes of a main like `literal.rs`'s, with a mark for a tracer before it; see `tests::fixture`.

use daemon_runtime::__private::{daemon, start};
use tests::fixture::{self, begin, body};

fn main() -> fixture::Result {
    begin();
    start(daemon()).notify();
    body(None)
}
