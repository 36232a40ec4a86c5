use daemon_runtime::daemon;

#[daemon(setup = 3 +)]
fn main(number: u32) {
    let number: u8 = "";
}
