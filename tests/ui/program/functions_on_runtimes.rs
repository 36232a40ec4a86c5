//! An `async fn` that is not main, on runtimes whose attributes take a function with parameters.
#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(foreground = !name.is_empty())]
#[tokio::main(flavor = "current_thread")]
async fn tokio_borrows(name: &str, ready: Ready) -> usize {
    ready.notify();
    name.len()
}

#[daemon(foreground = !name.is_empty())]
#[actix_rt::main]
async fn actix(mut name: String, ready: Ready) -> usize {
    name.push(0 as char);
    ready.notify();
    actix_rt::spawn(async move { name.len() }).await.expect("no panic")
}

#[daemon(foreground = name.as_ref() == "name")]
#[tokio::main(flavor = "current_thread")]
async fn with_impl_trait(name: &impl AsRef<str>, f: impl FnOnce() -> usize, ready: Ready) -> usize {
    ready.notify();
    name.as_ref().len() + f()
}

fn main() {
    assert_eq!(tokio_borrows("name"), 4);
    assert_eq!(actix("name".into()), 5);
    assert_eq!(with_impl_trait(&"name", || 3), 7);
}
