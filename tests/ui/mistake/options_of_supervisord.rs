use daemon_runtime::daemon;

#[daemon(stdout_logfile = "/a", redirect_stderr = true, autorestart = true, startsecs = 3, stopsignal = "TERM", command = "a")]
fn main() {}
