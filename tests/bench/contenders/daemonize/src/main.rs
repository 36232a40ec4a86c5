#[path = "../../body.rs"]
mod body;

fn main() {
    body::load();
    // Standard streams on /dev/null are its default.
    daemonize::Daemonize::new().working_directory("/").umask(0o022).start().expect("it starts");
    body::run(body::now());
}
