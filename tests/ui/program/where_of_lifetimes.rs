#![deny(warnings)]

use daemon_runtime::{Ready, daemon};

#[daemon(foreground = names.len() == 2)]
fn serve<'a, 'b>(names: &'a [String], first: &'b str, ready: Ready) -> &'b str
where
    'a: 'b,
{
    ready.notify();
    names.first().map_or(first, |name| name)
}

#[daemon(foreground = first.len() == 2)]
#[tokio::main]
async fn serve_async<'a, 'b>(names: &'a [String], first: &'b str, ready: Ready) -> &'b str
where
    'a: 'b,
{
    ready.notify();
    names.last().map_or(first, |name| name)
}

fn main() {
    let names = ["a".to_owned(), "b".to_owned()];
    // The second start of a process is refused.
    let name = if std::env::args().count() > 9 { serve_async(&names, "cd") } else { serve(&names, "c") };
    assert_eq!(name, "a");
}
