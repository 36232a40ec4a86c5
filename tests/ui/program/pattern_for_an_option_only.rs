#![deny(warnings)]

use daemon_runtime::daemon;

#[daemon(setup = (true, 3), foreground = *foreground)]
#[tokio::main]
async fn main((foreground, number): (bool, u8)) {
    assert_eq!(number, 3);
}
