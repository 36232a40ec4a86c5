//! Never from a process with threads: a fork copies only the thread that calls it.

use std::thread;
use std::time::Duration;

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::sys;

/// Refuses a process that has other threads than this one, and names up to five of them.
pub(crate) fn refuse_threads() -> Result<()> {
    // The kernel counts a thread for some moments after it was joined.
    const TRIES: u32 = 100;
    let mut count = 0;
    for _ in 0..TRIES {
        let counted = sys::count_threads().or_fail(Step::Threads, "count this process's threads");
        count = counted.map_err(|error| error.advise("mount /proc"))?.saturating_sub(1);
        if count == 0 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let names: Vec<String> = sys::other_threads().into_iter().take(5).map(|name| format!("{name:?}")).collect();
    let (threads, colon) = (if count == 1 { "thread" } else { "threads" }, if names.is_empty() { "" } else { ": " });
    let why = format!("the process already has {count} other {threads}{colon}{}", names.join(", "));
    Err(Error::new(Step::Threads, ErrorKind::Misuse, "become a daemon", why).advise(
        "start threads after the daemon has started, or end and join them before; an async runtime, such as #[tokio::main], \
             belongs below #[daemon], and a preloaded library (LD_PRELOAD) or an allocator (jemalloc's background_threads) \
             may have started one too",
    ))
}
