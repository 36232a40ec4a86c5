use daemon_runtime::{Ready, daemon};

#[daemon(umask = 022, chdir = "tmp", working_directory = "/", colour, trace = 1, foreground = true, crate = "x")]
unsafe fn main<T>(ready: Ready, more: u8) {
    println!("{more}");
    ready.notify();
}
