use daemon_runtime::daemon;

struct Server(u8);

impl Server {
    #[daemon(umask = 0)]
    fn serve(&self, more: u8) -> u8 {
        self.0 + more
    }

    #[daemon]
    async fn serve_async(self) -> u8 {
        async { self.0 }.await
    }
}

fn main() {
    Server(1).serve(2);
    drop(Server(3).serve_async());
}
