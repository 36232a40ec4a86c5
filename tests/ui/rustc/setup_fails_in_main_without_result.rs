use daemon_runtime::daemon;

#[daemon(setup = std::fs::read("/etc/hostname")?)]
fn main(name: Vec<u8>) {
    println!("{name:?}");
}
