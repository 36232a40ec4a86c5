use daemon_runtime::daemon;

#[daemon(pid_file = connect().await)]
#[tokio::main]
async fn main() {}

async fn connect() -> String {
    String::new()
}
