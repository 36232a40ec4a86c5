//! An attribute that changes the return type.
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

mod with_question_mark {
    use super::*;

    #[daemon(setup = read("/proc/self/comm")?, foreground = !name.is_empty())]
    #[snafu::report]
    pub fn main(name: String, ready: Ready) -> Result<(), Error> {
        ready.notify();
        read(&format!("/{name}")).map(|_| ()).or(Ok(()))
    }
}

mod by_another_name {
    use super::*;

    type Fallible = Result<(), Error>;

    #[daemon(setup = read("/proc/self/comm")?, foreground = true)]
    #[snafu::report]
    pub fn main(_: String) -> Fallible {
        Ok(())
    }
}

mod with_a_runtime {
    use super::*;

    #[daemon(foreground = true)]
    #[snafu::report]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main(ready: Ready) -> Result<(), Error> {
        ready.notify();
        read("/proc/self/comm").map(|_| ())
    }
}

#[daemon(foreground = name.is_empty(), trace = false)]
#[snafu::report]
fn serve(name: &str, ready: Ready) -> Result<(), Error> {
    ready.notify();
    read("/proc/self/comm").map(|_| assert!(name.is_empty()))
}

#[daemon(foreground = true)]
#[snafu::report]
fn main(ready: Ready) -> Result<(), Error> {
    ready.notify();
    let _ = with_question_mark::main();
    let _ = by_another_name::main();
    let _ = with_a_runtime::main();
    let _ = serve("");
    read("/proc/self/comm").map(|_| ())
}
