#![forbid(unused_variables, unexpected_cfgs)]

use daemon_runtime::{Ready, daemon};

#[daemon(chdir = directory, what = 3)]
async fn serve(directory: &str, ready: Ready) {
    ready.notify();
}

fn main() {
    serve("/");
}
