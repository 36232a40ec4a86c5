//! What every contender does around its own way of becoming a daemon. A module and no crate, so that it adds nothing to
//! what building a contender costs.

use std::fs::OpenOptions;
use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Loads the program's data: touches as much memory as the second argument says, and keeps it.
pub fn load() {
    let bytes = std::env::args().nth(2).map_or(0, |bytes| bytes.parse().expect("a number of bytes"));
    if bytes > 0 {
        std::mem::forget(std::hint::black_box(vec![1_u8; bytes]));
    }
}

/// The body's first act. The wall clock, because std's monotonic one cannot be handed to another process.
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Tells the benchmark when the body began and which process it is. The first argument is the fifo.
pub fn report(began: SystemTime) {
    let nanoseconds = began.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let fifo = std::env::args().nth(1).expect("the fifo's path");
    let message = [nanoseconds, u64::from(std::process::id())].map(u64::to_ne_bytes).concat();
    OpenOptions::new().write(true).open(fifo).and_then(|mut fifo| fifo.write_all(&message)).expect("the fifo is read");
}

/// The body: reports and sleeps until it is killed, or for ten minutes should nobody do that.
pub fn run(began: SystemTime) {
    report(began);
    sleep(Duration::from_secs(600));
}
