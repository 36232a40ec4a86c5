//! What every contender does around its own way of becoming a daemon. A module and no crate, so that it adds nothing to
//! what building a contender costs.
//!
//! A contender's arguments are the fifo that it reports to, the bytes of data that it loads, and the path of its pid file:
//! none if that is empty. A fourth one is for the empty program, or says how the body fails to be ready at once.
#![allow(dead_code)]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::{abort, exit};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn argument(at: usize) -> String {
    std::env::args().nth(at).expect("three arguments")
}

/// Loads the program's data: touches that much memory, and keeps it.
pub fn load() {
    let bytes = argument(2).parse().expect("a number of bytes");
    if bytes > 0 {
        std::mem::forget(std::hint::black_box(vec![1_u8; bytes]));
    }
}

pub fn pid_file() -> Option<PathBuf> {
    Some(argument(3)).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The body's first act, before it is ready. The wall clock, because std's monotonic one cannot be handed to another process.
pub fn now() -> SystemTime {
    let began = SystemTime::now();
    match std::env::args().nth(4).as_deref() {
        Some("late") => sleep(Duration::from_millis(500)),
        Some("exits") => {
            eprintln!("it has no disk");
            exit(3)
        }
        Some("crashes") => abort(),
        _ => {}
    }
    began
}

/// Tells the benchmark when the body began, which process it is, and whether it has a variable of the terminal.
pub fn report(began: SystemTime) {
    let nanoseconds = began.duration_since(UNIX_EPOCH).expect("after 1970").as_nanos() as u64;
    let has_term = std::env::var_os("TERM").is_some();
    let message = [nanoseconds, u64::from(std::process::id()), u64::from(has_term)].map(u64::to_ne_bytes).concat();
    let fifo = OpenOptions::new().write(true).open(argument(1));
    fifo.and_then(|mut fifo| fifo.write_all(&message)).expect("the fifo is read");
}

/// The body: reports and sleeps until it is killed, or for ten minutes should nobody do that.
pub fn run(began: SystemTime) {
    report(began);
    sleep(Duration::from_secs(600));
}
