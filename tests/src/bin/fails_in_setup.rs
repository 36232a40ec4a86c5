//! A fixture on a runtime, which ends with its arguments as the error: in `setup`, or after it was ready if the first is `later`.

use std::fmt::{self, Debug, Formatter};

use daemon_runtime::{Ready, daemon};

struct Failure(Vec<String>);

impl Debug for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

type Fallible = Result<(), Failure>;

fn words() -> Result<Vec<String>, Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words[0] == "later" { Ok(words) } else { Err(Failure(words)) }
}

#[daemon(setup = words()?, foreground = true)]
#[tokio::main(flavor = "current_thread")]
async fn main(words: Vec<String>, ready: Ready) -> Fallible {
    ready.notify();
    Err(Failure(words))
}
