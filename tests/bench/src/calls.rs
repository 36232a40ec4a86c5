//! The system calls that a launch makes, in all its processes together, until the daemon sleeps.

use std::error::Error;
use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::contender::Contender;
use crate::harness::{Harness, Start};
use crate::launch::{Limit, open, set_limit};
use crate::table::{Table, Unit, median};

/// Some contenders poll, so that their number varies.
const RUNS: usize = 5;

pub fn measure(harness: &Harness, contenders: &[Contender], table: &mut Table) -> Result<(), Box<dyn Error>> {
    eprintln!("system calls");
    set_limit(Limit::Usual)?;
    let inherited = open(10)?;
    let mut counts = Vec::new();
    for contender in contenders {
        let runs = (0..RUNS).map(|_| count(harness, contender)).collect::<Result<Vec<_>, _>>();
        counts.push(runs.inspect_err(|why| eprintln!("without strace: {why}")).ok().and_then(median));
    }
    drop(inherited);
    table.row_and_difference("system calls", Unit::Number, counts);
    Ok(())
}

fn count(harness: &Harness, contender: &Contender) -> Result<f64, Box<dyn Error>> {
    let log = harness.file("strace");
    let file = log.to_string_lossy();
    // The empty program's sleep is counted, as that of the others is.
    let start = Start { bytes: 0, pid_file: false, argument: Some("stay") };
    let mut strace = harness.command(&["strace", "-f", "-qq", "-o", &file], contender, &start).spawn()?;
    let report = harness.report()?;
    // The sleep that ends the body is under way before the kill can cut it off.
    let sleeps = |log: &str| log.contains("nanosleep(");
    while !sleeps(&fs::read_to_string(&log)?) {
        std::thread::yield_now();
    }
    let _ = kill(Pid::from_raw(report.pid), Signal::SIGKILL);
    strace.wait()?;
    harness.end_all()?;
    // A line is a pid and a call; or the end of an interrupted one (`<...`), a signal (`---`) or an exit (`+++`).
    let call = |line: &&str| line.split_whitespace().nth(1).is_some_and(|word| word.starts_with(char::is_alphabetic));
    Ok(fs::read_to_string(&log)?.lines().filter(call).count() as f64)
}
