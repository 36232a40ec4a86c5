use daemon_runtime::daemon;

#[daemon(umask = 0o022)]
fn serve(name: &str) {
    let _ = name;
}

fn main() {
    serve();
}
