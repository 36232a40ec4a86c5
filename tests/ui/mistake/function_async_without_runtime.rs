use daemon_runtime::{Ready, daemon};

#[daemon]
async fn serve(name: String, ready: Ready) {
    ready.notify();
    drop(name);
}

fn main() {}
