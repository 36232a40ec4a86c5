use daemon_runtime::{Ready, daemon, daemon as other};

#[daemon(umask = 0)]
#[other(chdir = "/")]
fn serve(directory: &str, ready: Ready) -> usize {
    ready.notify();
    directory.len()
}

fn main() {
    serve("/");
}
