use daemon_runtime::{Ready, daemon};

struct Args {
    pid_file: String,
}

#[daemon(setup = Args { pid_file: "/a".into() }, pid_file = args.pid_file)]
fn main(arguments: Args, ready: Ready) {
    ready.notify();
    drop(arguments.pid_file);
}
