use daemon_runtime::{Ready, daemon, daemon as other};

#[tokio::main]
#[daemon]
#[other]
async fn above() {}

#[daemon]
#[tokio::main]
#[other]
async fn between(ready: Ready) {
    ready.notify();
}

#[other]
#[tracing::instrument]
#[daemon_runtime::daemon(umask = 0)]
fn below() {}

#[cfg_attr(all(), other, daemon)]
fn in_one(name: &str, ready: Ready) {
    ready.notify();
    drop(name.len());
}

fn main() {
    above();
    between();
    below();
    in_one("name");
}
