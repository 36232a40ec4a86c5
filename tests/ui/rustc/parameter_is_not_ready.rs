use daemon_runtime::daemon;

#[daemon]
fn main(arguments: Vec<String>) {
    println!("{arguments:?}");
}
