use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3, foreground = true)]
#[tracing::instrument]
fn main(number: u8, ready: Ready) -> Result<(), String> {
    assert_eq!(number, 3);
    ready.notify();
    Ok(())
}
