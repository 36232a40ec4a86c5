//! A fixture whose main takes `Ready`; see `tests::fixture`.

use daemon_runtime::Daemon;
use tests::fixture::{self, body, flag, number, text, time};

fn main() -> fixture::Result {
    fixture::begin();
    let ready = Daemon::new()
        .umask(number("umask"))
        .chdir(text("chdir"))
        .ignore_sigchld(flag("ignore_sigchld"))
        .pid_file(text("pid_file"))
        .stdin(text("stdin"))
        .stdout(text("stdout"))
        .stderr(text("stderr"))
        .start_timeout(time("start_timeout"))
        .trace(flag("trace"))
        .start()
        .map_err(|error| format!("{error:?}"))?;
    body(Some(ready))
}
