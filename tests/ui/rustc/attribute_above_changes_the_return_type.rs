use daemon_runtime::{Ready, daemon};
use snafu::prelude::*;

#[derive(Debug, Snafu)]
enum Error {
    Read { source: std::io::Error },
}

#[snafu::report]
#[daemon(setup = std::fs::read_to_string("/etc/hostname").context(ReadSnafu)?)]
fn main(name: String, ready: Ready) -> Result<(), Error> {
    println!("{name}");
    ready.notify();
    Ok(())
}
