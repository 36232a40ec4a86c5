#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

/// Docs.
#[daemon(setup = vec![1, 2], foreground = args.len() == 2)]
#[tokio::main]
#[allow(clippy::let_unit_value)]
async fn main(mut args: Vec<u32>, ready: Ready) -> Result<(), Box<dyn std::error::Error>> {
    args.push(tokio::spawn(async { 3 }).await?);
    assert_eq!(args, [1, 2, 3]);
    ready.notify();
    Ok(())
}
