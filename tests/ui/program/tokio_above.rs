#![deny(warnings)]

use daemon_runtime::daemon;

#[tokio::main]
#[daemon(foreground = true)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    assert_eq!(tokio::spawn(async { 3 }).await?, 3);
    Ok(())
}
