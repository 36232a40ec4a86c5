use daemon_runtime::daemon;

#[daemon]
fn serve(_: u8)
where
    u8: Copy,
{
}

fn main() {}
