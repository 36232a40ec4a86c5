use daemon_runtime::{Ready, daemon};

#[daemon]
async fn main(ready: Ready) {
    let listener = async { 3 }.await;
    ready.notify();
    let _: i32 = listener;
}
