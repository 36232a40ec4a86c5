//! A client that pauses in the middle of its request.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use tests::{Family, Launch};

fn agent<'a>(family: &'a Family, words: &[&str]) -> Launch<'a> {
    family.launch(env!("CARGO_BIN_EXE_agent")).env("XDG_RUNTIME_DIR", family.directory()).args(words)
}

/// The idle time does not end its request, nor what others have stored.
#[test]
fn idle_time_does_not_end_a_request_under_way() {
    let family = Family::new();
    agent(&family, &["set", "color", "blue", "--idle", "1"]).run().assert_code(0);
    let mut slow = UnixStream::connect(family.path("agent/socket")).expect("the server");
    slow.write_all(b"get co").expect("it reads");
    // The pause is what this is about: longer than the idle time, and shorter than the server's patience with one client.
    thread::sleep(Duration::from_secs(2));
    slow.write_all(b"lor").and_then(|()| slow.shutdown(Shutdown::Write)).expect("it still reads");
    let mut answer = String::new();
    slow.read_to_string(&mut answer).expect("it answers");
    assert_eq!(answer, "blue\n");
    // And then the idle time begins.
    family.assert_gone();
}
