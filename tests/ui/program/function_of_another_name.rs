//! Any function can be the daemon: its parameters are the caller's, and may be used in the options.

mod server {
    use daemon_runtime::{Ready, daemon};

    pub struct Args {
        pub umask: Option<u32>,
        pub name: String,
    }

    /// Serves.
    #[daemon(foreground = true, umask = args.umask, chdir = "/")]
    pub fn by_value(mut args: Args, ready: Ready) -> Result<usize, String> {
        args.name.push('!');
        ready.notify();
        if args.name == "fail!" { Err(args.name) } else { Ok(args.name.len()) }
    }

    #[daemon(foreground = true, umask = args.umask)]
    pub(crate) fn borrowed(args: &Args, [first, ..]: [u8; 2]) -> &str {
        if first == 1 { &args.name } else { "" }
    }

    #[daemon(foreground = true, umask = umask)]
    pub fn patterns(Args { umask, name }: Args, _: u8, (a, b): (u8, u8), ready: Ready) -> usize {
        ready.notify();
        name.len() + usize::from(a + b) + umask.map_or(0, |umask| umask as usize)
    }

    #[daemon(foreground = true, umask = args.umask)]
    pub fn with_lifetimes<'a, 'b: 'a>(args: &'a Args, _: &'b str) -> &'a str {
        &args.name
    }

    #[daemon(foreground = true)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn with_lifetime_on_tokio<'a>(name: &'a str, _: &str) -> &'a str {
        name
    }

    #[daemon(foreground = true)]
    pub fn with_impl_trait(names: impl Iterator<Item = String>) -> usize {
        names.count()
    }

    #[daemon(foreground = true, umask = args.umask)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn on_tokio(args: Args, (a, _): (u8, u8), ready: Ready) -> Result<usize, String> {
        tokio::task::yield_now().await;
        ready.notify();
        Ok(args.name.len() + usize::from(a))
    }

    #[daemon(foreground = true)]
    #[tokio::main(flavor = "current_thread")]
    pub async fn on_tokio_without_ready(name: &str) -> &str {
        tokio::task::yield_now().await;
        name
    }

    #[tracing::instrument(skip(ready))]
    #[daemon(foreground = true)]
    pub fn instrumented_above(name: &str, ready: Ready) -> usize {
        ready.notify();
        name.len()
    }

    #[daemon(foreground = true)]
    #[tracing::instrument(skip(ready))]
    pub fn instrumented_below(name: &str, ready: Ready) -> usize {
        ready.notify();
        name.len()
    }
}

use server::Args;

fn main() {
    let args = |name: &str| Args { umask: Some(0o027), name: name.into() };
    assert_eq!(server::by_value(args("four")), Ok(5));
    assert_eq!(server::by_value(args("fail")), Err("fail!".into()));
    assert_eq!(server::borrowed(&args("four"), [1, 2]), "four");
    assert_eq!(server::patterns(args("four"), 0, (1, 2)), 7 + 0o027);
    assert_eq!(server::with_lifetimes(&args("four"), ""), "four");
    assert_eq!(server::with_lifetime_on_tokio("four", ""), "four");
    assert_eq!(server::with_impl_trait(["a".to_owned()].into_iter()), 1);
    assert_eq!(server::on_tokio(args("four"), (3, 4)), Ok(7));
    assert_eq!(server::on_tokio_without_ready("name"), "name");
    assert_eq!(server::instrumented_above("four") + server::instrumented_below("four"), 8);
}
