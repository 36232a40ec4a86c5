use daemon_runtime::{Ready, daemon};

#[daemon(pid_file = path())]
#[tokio::main]
async fn main(ready: Ready) {
    fn path() -> &'static str {
        "/tmp/inner.pid"
    }
    let _ = path();
    ready.notify();
}
