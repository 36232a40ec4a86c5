#[path = "../../body.rs"]
mod body;

use dmon::nix::sys::stat::Mode;

fn main() {
    body::load();
    // Standard streams on /dev/null are its default.
    let options = dmon::options().working_directory(Some("/")).umask(Some(Mode::from_bits_truncate(0o022)));
    let mut launcher = options.pidfile(body::pid_file()).daemonize();
    let began = body::now();
    launcher.success().expect("the launcher listens");
    body::run(began);
}
