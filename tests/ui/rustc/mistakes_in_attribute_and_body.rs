use daemon_runtime::{Ready, daemon};

#[daemon(umask = 022, setup = 3, chdir = "tmp")]
fn main(number: u8, ready: Ready) -> Result<(), String> {
    let text: String = number;
    ready.notify(text)
}
