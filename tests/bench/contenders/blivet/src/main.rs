#[path = "../../body.rs"]
mod body;

fn main() {
    body::load();
    // Standard streams on /dev/null are its default.
    let mut config = blivet::DaemonConfig::new();
    config.chdir("/").umask(0o022);
    if let Some(path) = body::pid_file() {
        config.pidfile(path);
    }
    let mut context = blivet::daemonize(&config).expect("it starts");
    let began = body::now();
    context.notify_parent().expect("the launcher listens");
    body::run(began);
}
