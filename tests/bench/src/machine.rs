//! Where the figures come from, and how to read them.

use std::fs;

use crate::contender::{Contender, output};

pub fn describe() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let processor = read("/proc/cpuinfo");
    let processors = processor.lines().filter(|line| line.starts_with("processor")).count();
    let (release, memory) = (read("/etc/os-release"), read("/proc/meminfo"));
    let system = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or_default();
    let first_line =
        |command: &[&str]| output(command).unwrap_or_default().lines().next().unwrap_or_default().to_owned();
    let compilers = [&["rustc", "--version"][..], &["cc", "--version"], &["/usr/bin/python3", "--version"]];
    vec![
        format!(
            "{}, {processors} processors, {} of memory. Linux {}, {}.",
            field(&processor, "model name"),
            field(&memory, "MemTotal"),
            read("/proc/sys/kernel/osrelease").trim(),
            system.trim_matches('"')
        ),
        format!("{}.", compilers.map(first_line).join(", ")),
    ]
}

pub fn notes(contenders: &[Contender], rounds: usize) -> Vec<String> {
    let lacking = contenders.iter().filter(|contender| !contender.lacks.is_empty());
    let lacking =
        lacking.map(|contender| format!("* The daemon of {} is {}.", contender.name, contender.lacks.join(", ")));
    let share = "of a third of the rounds with many descriptors, of a tenth with 1 GiB or a pause";
    let notes = [
        format!("\n* Times are from the start of the process: medians of {rounds} rounds, all contenders in turn; {share}."),
        "* Processor time is that of all processes of a launch. Other work on the machine changes it little.".into(),
        "* Nothing is compiled incrementally, as dependencies from a registry are not.".into(),
        "* In parentheses the multiple of the best of the group's other Rust crates.".into(),
        "* \"10 of 1024 descriptors\": so many are inherited, and so many are allowed (RLIMIT_NOFILE).".into(),
        "* A line compares only those who do the same: close all inherited descriptors where they are many, write a pid".into(),
        "  file, or load 1 GiB before they are ready.".into(),
    ];
    notes.into_iter().chain(lacking).chain([String::new()]).collect()
}
