use daemon_runtime::daemon;

struct Args {
    timeout: u32,
    pid_file: u8,
}

#[daemon(start_timeout = args.timeout, pid_file = args.pid_file)]
fn serve(args: Args) {}

fn main() {
    serve(Args { timeout: 3, pid_file: 4 });
}
