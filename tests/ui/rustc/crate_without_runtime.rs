use daemon_runtime::daemon;

mod framework {
    pub use daemon_runtime::Ready;
}

#[daemon(crate = framework)]
fn main(ready: framework::Ready) {
    ready.notify();
}
