#[path = "../../body.rs"]
mod body;

use fork::Fork;

fn main() {
    body::load();
    // `false, false`: change to /, and the standard streams to /dev/null.
    let Fork::Child = fork::daemon(false, false).expect("it starts") else { unreachable!("both parents have exited") };
    // SAFETY: umask(2) touches no memory and cannot fail. The crate leaves it to its user.
    unsafe { libc::umask(0o022) };
    body::run(body::now());
}
