#[path = "../../body.rs"]
mod body;

fn main() {
    body::load();
    // Standard streams on /dev/null are its default.
    let mut daemon = daemonix::Daemonize::new().working_directory("/").umask(0o022);
    if let Some(path) = body::pid_file() {
        daemon = daemon.pid_file(path);
    }
    daemon.start().expect("it starts");
    body::run(body::now());
}
