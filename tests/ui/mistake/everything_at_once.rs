use daemon_runtime::{Ready, daemon};

#[daemon(umask = 022, chdir = "tmp", working_directory = "/", colour, trace = 1, foreground = true, crate = "x")]
fn main(ready: Ready, more: u8) {
    println!("{more}");
    ready.notify();
}
