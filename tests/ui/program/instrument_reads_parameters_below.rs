use daemon_runtime::{Ready, daemon};

#[daemon(umask = 0o027, setup = 3u8, foreground = x == 3)]
#[tracing::instrument(skip(ready), fields(x = x))]
fn main(x: u8, ready: Ready) {
    assert_eq!(x, 3);
    ready.notify();
}
