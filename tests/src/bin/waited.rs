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
