//! Two kinds of threads: main's end waits for the one, and cuts off the other, Python's "daemon thread".

use std::time::Duration;
use std::{env, thread};

use daemon_runtime::daemon;

/// `threads [LOG]`: what it prints goes there, or nowhere.
#[daemon(stdout = env::args().nth(1))]
fn main() {
    // Goes on for as long as the process does: for a cache, a heartbeat, statistics.
    thread::spawn(|| {
        loop {
            println!("a thread of std is still there");
            thread::sleep(Duration::from_millis(100));
        }
    });

    // For work that must be finished, though main has long returned.
    daemon_runtime::thread::spawn(|| {
        for part in 1..=3 {
            thread::sleep(Duration::from_millis(300));
            println!("part {part} of 3 is done");
        }
    });

    println!("main returns");
}
