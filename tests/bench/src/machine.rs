//! Where the figures come from.

use std::fs;
use std::process::Command;

use crate::contender::{Contender, output};

pub fn notes(contenders: &[Contender], rounds: usize) -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let processor = read("/proc/cpuinfo");
    let processors = processor.lines().filter(|line| line.starts_with("processor")).count();
    let system = read("/etc/os-release");
    let system =
        system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default().trim_matches('"');
    let first_line =
        |command: &[&str]| output(command).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    let lacking = contenders.iter().filter(|contender| !contender.lacks.is_empty());
    let lacking =
        lacking.map(|contender| format!("The daemon of {} is {}.", contender.name, contender.lacks.join(", ")));
    let notes = vec![
        format!(
            "{}, {processors} processors, {} of memory",
            field(&processor, "model name"),
            field(&read("/proc/meminfo"), "MemTotal")
        ),
        format!("Linux {}, {system}", read("/proc/sys/kernel/osrelease").trim()),
        format!("{}, {}, {}", first_line(&["rustc", "--version"]), first_line(&["cc", "--version"]), python()),
        format!(
            "Times are from the start of the process, medians of {rounds} rounds, all contenders in turn; with 1 GiB"
        ),
        "of data a fifth of the rounds. Beside them the multiple of the best of the other Rust crates.".into(),
        "\"10 of 1024\": inherited descriptors, and their limit.".into(),
        "An asterisk: the launcher waits until the daemon says that it is ready.".into(),
    ];
    notes.into_iter().chain(lacking).collect()
}

fn python() -> String {
    let output = Command::new("/usr/bin/python3").arg("--version").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}
