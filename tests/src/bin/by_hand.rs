//! A fixture without the attribute; see `tests::fixture`.

use daemon_runtime::{Daemon, Error};
use tests::fixture::{begin, body, number, text, time};

fn main() -> Result<(), Error> {
    begin();
    let ready =
        Daemon::new().umask(number("umask")).chdir(text("chdir")).start_timeout(time("start_timeout")).start()?;
    body(Some(ready)).expect("the fixture's words");
    Ok(())
}
