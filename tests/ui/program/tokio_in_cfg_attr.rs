use daemon_runtime::daemon;

#[cfg_attr(all(), daemon(foreground = true))]
#[cfg_attr(all(), tokio::main(flavor = "current_thread"), allow(unused))]
#[cfg_attr(any(), inline)]
async fn main() {
    assert_eq!(async { 3 }.await, 3);
}
