//! A fixture whose main takes no `Ready`; see `tests::fixture`.

use tests::fixture::{self, body};

tests::with_every_option! {
    fn main() -> fixture::Result {
        body(None)
    }
}
