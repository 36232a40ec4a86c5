//! What a function may return, and where it may stand.
#![deny(warnings)]
#![warn(missing_docs)]

use std::process::{ExitCode, Termination};

use daemon_runtime::{Ready, daemon};

struct Server;

impl Server {
    /// Without `self`.
    #[daemon(foreground = true)]
    fn associated(number: u8, ready: Ready) -> u8 {
        ready.notify();
        number
    }
}

#[daemon(foreground = true)]
fn impl_termination(ready: Ready) -> impl Termination {
    ready.notify();
    Ok::<(), String>(())
}

#[tracing::instrument(skip_all, fields(name = name))]
#[daemon(foreground = true)]
#[tokio::main(flavor = "current_thread")]
async fn instrumented_on_tokio(name: &str, ready: Ready) -> impl Termination {
    ready.notify();
    ExitCode::from(name.len() as u8)
}

#[daemon(foreground = true)]
#[tracing::instrument]
fn instrumented_below(name: &str) -> Option<&str> {
    name.get(1..)
}

#[daemon(foreground = true)]
fn dynamic(f: &dyn Fn(u8, u8) -> u8, _: fn(u8), ready: daemon_runtime::Ready) -> Box<dyn Fn() -> u8> {
    ready.notify();
    let sum = f(1, 2);
    Box::new(move || sum)
}

#[daemon(foreground = true)]
fn never(ready: Ready) -> ! {
    ready.notify();
    std::process::exit(0)
}

fn main() {
    fn inside() -> u8 {
        #[daemon(foreground = true)]
        fn in_a_function(ready: Ready) -> u8 {
            ready.notify();
            3
        }
        in_a_function()
    }
    assert_eq!(inside() + Server::associated(4), 7);
    let _ = impl_termination().report();
    let _ = instrumented_on_tokio("name").report();
    assert_eq!(instrumented_below("name"), Some("ame"));
    assert_eq!(dynamic(&|a, b| a + b, drop)(), 3);
    never()
}
