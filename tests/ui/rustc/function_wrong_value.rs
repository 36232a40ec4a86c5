use daemon_runtime::daemon;

#[daemon(pid_file = number)]
fn serve(number: u8) {}

fn main() {
    serve(3);
}
