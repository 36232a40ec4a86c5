#![deny(unused)]

use daemon_runtime::{Ready, daemon};

#[daemon(umask = 99, pid_file = path)]
#[tokio::main]
async fn with_a_runtime(path: &str, (number, _): (u8, u8), ready: Ready) {
    let _ = number;
    ready.notify();
}

#[daemon(pid_file = path)]
async fn without(path: &str, (number, _): (u8, u8), ready: Ready) {
    let _ = number;
    ready.notify();
}

#[daemon(umask = 99, pid_file = path)]
fn alone(path: &str, (number, _): (u8, u8)) {
    let _ = number;
}

#[daemon(setup = (3, 4), umask = umask)]
async fn main((umask, number): (u8, u8)) {
    let _ = number;
    with_a_runtime("", (3, 4));
    without("", (3, 4));
    alone("", (3, 4));
}
