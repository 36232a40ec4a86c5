use std::num::ParseIntError;

use daemon_runtime::{Ready, daemon};

// `?` works in `setup` as it does in the body.
#[daemon(setup = "3".parse::<u32>()?, foreground = true)]
fn main(number: u32, ready: Ready) -> Result<(), ParseIntError> {
    let same: u32 = "3".parse()?;
    assert_eq!(number, same);
    ready.notify();
    Ok(())
}
