use std::process::ExitCode;

use daemon_runtime::{Ready, daemon};

#[daemon(foreground = true)]
fn main(ready: Ready) -> ExitCode {
    ready.notify();
    ExitCode::SUCCESS
}
