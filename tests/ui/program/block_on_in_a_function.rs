//! Runtimes whose attributes want a main without parameters: `block_on` in a function that is not `async`.
#![deny(warnings)]

use std::io;

use async_std::net::TcpListener;
use daemon_runtime::{Ready, daemon};

#[daemon(setup = "127.0.0.1:0", foreground = true)]
fn main(address: &str, ready: Ready) -> io::Result<()> {
    // Or `smol::block_on`.
    async_std::task::block_on(async {
        let _listener = TcpListener::bind(address).await?;
        ready.notify();
        Ok(())
    })
}
