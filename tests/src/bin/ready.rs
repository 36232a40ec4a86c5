//! A fixture whose main takes `Ready`; see `tests::fixture`.

use daemon_runtime::Ready;
use tests::fixture::{self, body};

tests::with_every_option! {
    fn main(ready: Ready) -> fixture::Result {
        body(Some(ready))
    }
}
