//! What a daemon that sleeps costs, over an empty program that sleeps.

use std::error::Error;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::contender::Contender;
use crate::harness::{Harness, Start};
use crate::launch::{Limit, open, set_limit};
use crate::table::{Table, Unit};

pub fn measure(
    harness: &Harness,
    contenders: &[Contender],
    seconds: u64,
    table: &mut Table,
) -> Result<(), Box<dyn Error>> {
    eprintln!("running");
    set_limit(Limit::Usual)?;
    let inherited = open(10)?;
    let mut pids = Vec::new();
    for contender in contenders {
        harness.command(&[], contender, &Start { bytes: 0, pid_file: false, argument: Some("stay") }).spawn()?;
        pids.push(harness.report()?.pid);
    }
    drop(inherited);
    // Launchers end and bodies fall asleep.
    sleep(Duration::from_millis(500));
    let before = pids.iter().map(|pid| switches(*pid)).collect::<Result<Vec<_>, _>>()?;
    sleep(Duration::from_secs(seconds));
    let mut wakes = Vec::new();
    for (pid, before) in pids.iter().zip(before) {
        wakes.push(Some((switches(*pid)? - before) * 60.0 / seconds as f64));
    }
    let all = |of: &dyn Fn(i32) -> Result<f64, Box<dyn Error>>| {
        pids.iter().map(|pid| of(*pid).map(Some)).collect::<Result<Vec<_>, _>>()
    };
    let entries = |pid: i32, directory: &str| Ok(fs::read_dir(format!("/proc/{pid}/{directory}"))?.count() as f64);
    let resident = all(&|pid| memory(pid, &["Rss:"]))?;
    let private = all(&|pid| memory(pid, &["Private_Clean:", "Private_Dirty:"]))?;
    let written = all(&|pid| memory(pid, &["Private_Dirty:"]))?;
    // What is private and not written is the program's own code, which the kernel can drop at any time.
    for (title, values) in [("resident", resident), ("private", private), ("private written", written)] {
        table.row_and_difference(&format!("{title} memory"), Unit::Bytes, values);
    }
    table.row("threads", Unit::Number, all(&|pid| entries(pid, "task"))?);
    table.row("open descriptors", Unit::Number, all(&|pid| entries(pid, "fd"))?);
    table.row("wake-ups a minute", Unit::Number, wakes);
    harness.end_all()?;
    Ok(())
}

/// How often its threads have been scheduled away.
fn switches(pid: i32) -> Result<f64, Box<dyn Error>> {
    let mut sum = 0.0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        sum += fields(&fs::read_to_string(task?.path().join("status"))?, &["voluntary_ctxt_switches:"])?;
    }
    Ok(sum)
}

fn memory(pid: i32, names: &[&str]) -> Result<f64, Box<dyn Error>> {
    Ok(fields(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?, names)? * 1024.0)
}

/// The sum of the named fields of a file of /proc.
fn fields(text: &str, names: &[&str]) -> Result<f64, Box<dyn Error>> {
    let words = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let values = words.filter(|words| words.first().is_some_and(|first| names.contains(first)));
    values.map(|words| Ok(words[1].parse::<f64>()?)).sum()
}
