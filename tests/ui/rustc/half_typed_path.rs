use daemon_runtime::daemon;

#[daemon(umask = 0, pid_file = std::)]
fn main() {
    let number: u8 = "";
}
