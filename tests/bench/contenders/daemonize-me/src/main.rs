#[path = "../../body.rs"]
mod body;

fn main() {
    body::load();
    // Standard streams on /dev/null are its default.
    daemonize_me::Daemon::new().umask(0o022).work_dir("/").start().expect("it starts");
    body::run(body::now());
}
