use daemon_runtime::daemon;

struct Server;

impl Server {
    #[daemon]
    fn serve(&self) {}
}

fn main() {
    Server.serve();
}
