use daemon_runtime::daemon;

trait Serve {
    #[daemon]
    fn serve();
}

fn main() {}
