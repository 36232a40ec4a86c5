//! Never from a process with threads: a fork copies only the thread that calls it.

use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::stat::stat;

use crate::error::{Error, ErrorKind, Result, Step};
use crate::sys::{is_single_threaded_to_libc, retry, unshare_nothing};

/// Refuses a process that has threads.
pub(crate) fn refuse_threads() -> Result<()> {
    // The kernel counts a thread for some moments after it was joined.
    const TRIES: u32 = 100;
    for _ in 0..TRIES {
        if is_single_threaded()? {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    let why = "the process already has threads";
    Err(Error::new(Step::Threads, ErrorKind::Misuse, "become a daemon", why).advise(
        "start threads after the daemon has started, or end and join them before; an async runtime, such as #[tokio::main], \
             belongs below #[daemon], and a preloaded library (LD_PRELOAD) may have started one too",
    ))
}

/// Whether there is no other thread than this one.
pub(crate) fn is_single_threaded() -> Result<bool> {
    // An emulator (qemu-user) has threads of its own, which /proc shows and the C library does not know.
    if is_single_threaded_to_libc() {
        return Ok(true);
    }
    // proc(5): each thread is a directory below task, which itself has two links.
    match retry(|| stat("/proc/self/task")) {
        Ok(task) => Ok(task.st_nlink == 3),
        // Without /proc the kernel can still be asked, where no seccomp filter forbids it.
        Err(_) => match unshare_nothing() {
            Ok(()) => Ok(true),
            Err(Errno::EINVAL) => Ok(false),
            Err(errno) => {
                Err(Error::system(Step::Threads, "count this process's threads", errno).advise("mount /proc"))
            }
        },
    }
}
