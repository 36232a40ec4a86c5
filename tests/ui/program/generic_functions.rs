//! Types, constants and bounds of a function are the caller's, as its parameters are.
#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(foreground = f(3) == 4, umask = N as u32)]
fn calls<T: Fn(u8) -> u8, const N: usize>(f: T, names: [&str; N], ready: Ready) -> Option<T>
where
    T: Clone,
    u8: Copy,
{
    ready.notify();
    names.first().map(|_| f.clone())
}

#[daemon(foreground = name.as_ref() == "name")]
#[tokio::main(flavor = "current_thread")]
async fn calls_async<T: AsRef<str> + Sync>(name: &T) -> usize
where
    T: ?Sized,
{
    async { name.as_ref().len() }.await
}

#[daemon(foreground = !name.is_empty())]
fn makes<'a, T, const N: usize>(name: &'a str, ready: Ready) -> ([T; N], &'a str)
where
    T: Default + Copy,
{
    ready.notify();
    ([T::default(); N], name)
}

fn main() {
    assert_eq!(makes::<u8, 2>("name"), ([0, 0], "name"));
    assert_eq!(calls(|number| number + 1, ["a", "b"]).map(|f| f(6)), Some(7));
    assert_eq!(calls_async("name"), 4);
}
