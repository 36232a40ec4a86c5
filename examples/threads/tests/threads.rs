//! Which thread is waited for.

use std::fs;

use tests::Family;

#[test]
fn main_waits_for_one_and_not_for_the_other() {
    let family = Family::new();
    let log = family.path("log");
    family.launch(env!("CARGO_BIN_EXE_threads")).arg(&log).run().assert_code(0).assert_stderr("");
    // One of its threads would never end.
    family.assert_gone();
    let log = fs::read_to_string(log).expect("the log");
    let main_returns = log.find("main returns\n").expect("main's last word");
    for line in ["part 1 of 3 is done\n", "part 2 of 3 is done\n", "part 3 of 3 is done\n"] {
        assert!(log.find(line).is_some_and(|place| place > main_returns), "{line:?} in {log}");
    }
    assert!(log.contains("a thread of std is still there\n"), "{log}");
}
