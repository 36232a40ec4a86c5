use daemon_runtime::{daemon, daemon as other};

#[daemon]
#[other]
fn main() {}

#[daemon]
#[tokio::main]
#[other]
async fn serve() {}

#[daemon]
#[other]
fn says() {
    println!();
}
