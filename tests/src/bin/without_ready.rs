//! A fixture whose main takes no `Ready`; see `tests::fixture`.

use daemon_runtime::daemon;
use tests::fixture::{self, begin, body, flag, keep_fds, list, number, text, time};

#[daemon(
    umask = {
        begin();
        number("umask")
    },
    chdir = text("chdir"),
    ignore_sigchld = flag("ignore_sigchld"),
    pid_file = text("pid_file"),
    stdin = text("stdin"),
    stdout = text("stdout"),
    stderr = text("stderr"),
    reopen_on_sighup = flag("reopen_on_sighup"),
    user = text("user"),
    group = text("group"),
    chroot = text("chroot"),
    no_new_privileges = flag("no_new_privileges"),
    no_core_dumps = flag("no_core_dumps"),
    keep_fds = keep_fds(),
    keep_env = list("keep_env"),
    foreground = flag("foreground").then_some(true),
    start_timeout = time("start_timeout"),
    trace = flag("trace"),
)]
fn main() -> fixture::Result {
    body(None)
}
