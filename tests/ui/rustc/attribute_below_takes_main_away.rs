use daemon_runtime::daemon;

#[daemon(foreground = true)]
#[test]
fn main() {
    println!("ok");
}
