use daemon_runtime::{Ready, daemon};

#[daemon(
    pid_file = [1].map(|inner| path(inner))[0],
    umask = match 3 { LIMIT => 0o22, inner => limit(inner) },
    chdir = { let text: kind::Text = "/"; text },
)]
#[tokio::main]
async fn main(ready: Ready) {
    fn path(_: u8) -> &'static str {
        "/tmp/inner.pid"
    }
    const LIMIT: u8 = 3;
    fn limit(_: u8) -> u32 {
        0
    }
    mod kind {
        pub(super) type Text = &'static str;
    }
    fn inner() {}
    inner();
    ready.notify();
}
