use daemon_runtime::daemon;

struct Args {
    pid_file: String,
}

#[daemon(setup = Args { pid_file: "x".into() }, pid_file = args.pidfile)]
fn main(args: Args) {
    println!("{}", args.pid_file);
}
