//! Adopts orphans, runs the program that its arguments name, and stays until the mark `end` is in the directory of the
//! family.

tests::linux_alone! {
    use std::path::Path;
    use std::process::Command;

    use nix::sys::prctl::set_child_subreaper;
    use tests::{TAG, until};

    fn main() {
        set_child_subreaper(true).expect("prctl");
        let mut words = std::env::args_os().skip(1);
        let mut command = Command::new(words.next().expect("a program"));
        let status = command.args(words).status().expect("the program can be run");
        let directory = std::env::var_os(TAG).expect("a family");
        until("the mark", || Path::new(&directory).join("end").exists().then_some(()));
        std::process::exit(status.code().unwrap_or(1));
    }
}
