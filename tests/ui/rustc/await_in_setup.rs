use daemon_runtime::daemon;

#[daemon(setup = connect().await)]
#[tokio::main]
async fn main(connection: u8) {
    println!("{connection}");
}

async fn connect() -> u8 {
    3
}
