use daemon_runtime::{Ready, daemon};

mod inner {
    pub fn path() -> &'static str {
        "/tmp/inner.pid"
    }
}

#[daemon(pid_file = path(), chdir = other!())]
#[tokio::main]
async fn main(ready: Ready) {
    use inner::{self as also, path};
    macro_rules! other {
        () => {
            "/"
        };
    }
    let _ = (also::path(), path(), other!());
    ready.notify();
}
