#![deny(warnings)]

use daemon_runtime::daemon;

mod other {
    pub use tokio::main as daemon;
}

#[daemon(foreground = true)]
#[other::daemon(flavor = "current_thread")]
async fn main() {
    assert_eq!(async { 3 }.await, 3);
}
