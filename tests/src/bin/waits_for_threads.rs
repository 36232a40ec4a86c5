//! A fixture with a thread that main's end waits for. The first argument tells how main ends.

use std::time::Duration;
use std::{env, process};

use daemon_runtime::{Ready, daemon, thread};
use tests::fixture::{self, flag, touch, wait};

#[daemon(foreground = { fixture::begin(); flag("foreground") })]
fn main(ready: Ready) -> fixture::Result {
    let how = env::args().nth(1).unwrap_or_default();
    if how == "fails" {
        thread::spawn(std::thread::park);
        return Err("main fails".into());
    }
    ready.notify();
    let (for_ever, panics) = (matches!(&*how, "exits" | "limited"), matches!(&*how, "thread_panics" | "joined"));
    if how == "leaves_work" {
        thread_local!(static LOCAL: Slow = const { Slow("local") });
        // Nobody joins it: its value, and then its thread-local, are dropped after its work.
        thread::spawn(|| LOCAL.with(|_| Slow("value")));
        return Ok(());
    }
    let worker = thread::Builder::new().name("worker").spawn(move || {
        assert!(!panics, "the thread fails");
        wait("main");
        touch("thread").expect("a mark");
        if for_ever {
            loop {
                std::thread::park();
            }
        }
    })?;
    if how == "joined" {
        assert!(worker.join().is_err());
    }
    if how == "limited" {
        thread::limit_wait(Duration::from_millis(50));
    }
    touch("main")?;
    match &*how {
        "panics" => panic!("main fails"),
        "exits" => process::exit(7),
        "errs" => Err("main fails".into()),
        _ => Ok(()),
    }
}

/// Whose drop takes a while, as that of a buffered file may.
struct Slow(&'static str);

impl Drop for Slow {
    fn drop(&mut self) {
        std::thread::sleep(Duration::from_millis(100));
        touch(self.0).expect("a mark");
    }
}
