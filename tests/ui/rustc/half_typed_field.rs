use daemon_runtime::daemon;

#[daemon(setup = (3, 4), umask = both.)]
fn main(both: (u32, u32)) {
    let number: u8 = "";
}
