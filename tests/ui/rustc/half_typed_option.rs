use daemon_runtime::daemon;

#[daemon(umask = 0, ch)]
fn main() {
    let number: u8 = "";
}
