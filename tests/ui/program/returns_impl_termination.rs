use std::process::Termination;

use daemon_runtime::daemon;

#[daemon(foreground = true)]
fn main() -> impl Termination {
    Ok::<(), String>(())
}
