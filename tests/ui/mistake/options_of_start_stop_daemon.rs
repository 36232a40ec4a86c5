use daemon_runtime::daemon;

#[daemon(make_pidfile = true, chuid = "a", exec = "/bin/a", retry = 3, oknodo)]
fn main() {}
