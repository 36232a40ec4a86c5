use daemon_runtime::daemon;

#[daemon(setup = std::env::current_dir()?, foreground = true)]
#[test]
fn main() -> std::io::Result<()> {
    Ok(())
}
