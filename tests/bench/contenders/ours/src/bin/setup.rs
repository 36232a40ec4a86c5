//! As programs are written: `setup` comes first, and loads the data before the launch, as the other contenders do; the
//! options are computed; and the body says when it is ready.
#[path = "../../../body.rs"]
mod body;

use std::path::PathBuf;

use daemon_runtime::{Ready, daemon};

struct Args {
    umask: u32,
    directory: &'static str,
    pid_file: Option<PathBuf>,
}

fn parse() -> Args {
    body::load();
    Args { umask: 0o022, directory: "/", pid_file: body::pid_file() }
}

#[daemon(setup = parse(), umask = args.umask, chdir = args.directory, pid_file = args.pid_file)]
fn main(args: Args, ready: Ready) {
    let began = body::now();
    ready.notify();
    body::run(began);
}
