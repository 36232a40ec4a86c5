use daemon_runtime::daemon;

#[async_std::main]
#[daemon(foreground = true)]
async fn main() {
    assert_eq!(async_std::task::spawn(async { 3 }).await, 3);
}
