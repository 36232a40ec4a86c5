#[path = "../../body.rs"]
mod body;

fn main() {
    body::load();
    // Standard streams on /dev/null are its default.
    let mut daemon = daemonize_me::Daemon::new().umask(0o022).work_dir("/");
    if let Some(path) = body::pid_file() {
        daemon = daemon.pid_file(path, None);
    }
    daemon.start().expect("it starts");
    body::run(body::now());
}
