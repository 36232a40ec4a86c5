//! An attribute that changes the return type stands above. An option's `?` then belongs into a main that calls the daemon.
#![deny(warnings)]

use daemon_runtime::{Ready, daemon};
use snafu::prelude::*;

#[derive(Debug, Snafu)]
enum Error {
    Read { source: std::io::Error },
}

fn read(path: &str) -> Result<String, Error> {
    std::fs::read_to_string(path).context(ReadSnafu)
}

mod with_a_runtime {
    use super::*;

    #[snafu::report]
    #[daemon(foreground = true)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main(ready: Ready) -> Result<(), Error> {
        ready.notify();
        read("/proc/self/comm").map(|_| ())
    }
}

#[snafu::report]
#[daemon(foreground = name.is_empty(), trace = false)]
fn serve(name: &str, ready: Ready) -> Result<(), Error> {
    ready.notify();
    read("/proc/self/comm").map(|_| assert!(name.is_empty()))
}

#[daemon(foreground = !name.is_empty())]
fn serve_name(name: String, ready: Ready) -> Result<(), Error> {
    ready.notify();
    read(&format!("/{name}")).map(|_| ()).or(Ok(()))
}

#[snafu::report]
fn main() -> Result<(), Error> {
    let _ = with_a_runtime::main();
    let _ = serve("");
    serve_name(read("/proc/self/comm")?)
}
