use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3, foreground = true)]
#[async_std::main]
async fn main(number: u8, ready: Ready) {
    assert_eq!(async_std::task::spawn(async move { number }).await, 3);
    ready.notify();
}
