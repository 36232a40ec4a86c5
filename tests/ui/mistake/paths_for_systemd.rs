use daemon_runtime::daemon;

#[daemon(pid_file = "%t/app.pid", stderr = "/var/log/%n.log", user = "$USER", stdout = "|logger")]
fn main() {}

// No specifier.
#[daemon(pid_file = "/run/100%.pid", stderr = "/var/log/a%20b.log")]
fn right() {}
