use std::process::Termination;

use daemon_runtime::daemon;

#[daemon(foreground = true)]
#[tokio::main]
async fn main() -> impl Termination {
    Ok::<(), String>(())
}
