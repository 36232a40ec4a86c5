use daemon_runtime::{Ready, daemon};
use snafu::prelude::*;

#[derive(Debug, Snafu)]
enum Error {
    Read { source: std::io::Error },
}

// The type that is written is for the `?`, and the one of the attribute for main.
#[daemon(setup = std::fs::read_to_string("/etc/hostname").context(ReadSnafu)?)]
#[tokio::main]
#[snafu::report]
async fn main(name: String, ready: Ready) -> Result<(), Error> {
    println!("{name}");
    ready.notify();
    Ok(())
}
