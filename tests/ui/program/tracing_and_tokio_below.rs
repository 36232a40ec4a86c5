use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3, foreground = true)]
#[tokio::main]
#[tracing::instrument]
async fn main(number: u8, ready: Ready) {
    assert_eq!(async { number }.await, 3);
    ready.notify();
}
