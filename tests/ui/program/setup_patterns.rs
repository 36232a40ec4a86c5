#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

struct Args {
    name: String,
    numbers: (u32, u32),
    flag: bool,
}

fn args() -> Args {
    Args { name: "/".into(), numbers: (0, 3), flag: true }
}

#[daemon(setup = args(), chdir = name, foreground = flag, umask = umask)]
fn main(Args { mut name, numbers: (umask, _), flag }: Args, ready: Ready) {
    name.push_str("tmp");
    assert_eq!((&*name, umask, flag), ("/tmp", 0, true));
    ready.notify();
    with_a_runtime::main();
}

mod with_a_runtime {
    use super::*;

    // Between the attributes the names of a pattern are references, in the options alone.
    #[daemon(setup = args(), chdir = name, foreground = *flag, umask = umask)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn main(Args { mut name, numbers: (umask, _), flag }: Args) {
        name.push_str("tmp");
        assert_eq!((&*name, umask, flag), ("/tmp", 0, true));
    }
}
