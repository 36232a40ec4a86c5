// It wants a main. Call `async_std::task::block_on` in a function that is not `async`.
use daemon_runtime::{Ready, daemon};

#[daemon(setup = 3, foreground = true)]
#[async_std::main]
async fn main(number: u8, ready: Ready) {
    assert_eq!(async_std::task::spawn(async move { number }).await, 3);
    ready.notify();
}
