use daemon_runtime::daemon;

// One mistake each: nothing follows from a name that was guessed.
#[daemon(pid_file = "/run/app.pid", pid_fle = "/run/other.pid", foregroud = true, stdout = "/var/log/app.log")]
fn main() {}
