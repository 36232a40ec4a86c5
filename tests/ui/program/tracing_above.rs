use daemon_runtime::daemon;

#[tracing::instrument(skip_all)]
#[daemon(foreground = true)]
fn main() -> Result<(), String> {
    Ok(())
}
