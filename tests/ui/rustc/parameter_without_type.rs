use daemon_runtime::daemon;

#[daemon]
fn main(ready) {
    ready.notify();
}
