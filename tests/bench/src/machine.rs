//! Where the figures come from, and how to read them.

use std::fs;

use crate::contender::output;

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

pub fn notes(rounds: &[String]) -> Vec<String> {
    let notes = [
        "\n* `1.18 ms (1.10) [1.12–1.25]`: the median, its multiple of the best of the other Rust crates that wait, and the".into(),
        "  quartiles. Times are from the start of the process.".into(),
        format!("* Rounds, all contenders in turn: {}.", rounds.join("; ")),
        "* Processor time is that of all processes of a launch. Other work on the machine changes it little.".into(),
        "* Nothing is compiled incrementally, as dependencies from a registry are not.".into(),
        "* \"10 of 1024 descriptors\": so many are inherited, and so many are allowed (RLIMIT_NOFILE).".into(),
        "* A line compares only those who do the same: close all inherited descriptors where they are many, write a pid".into(),
        "  file, or load 1 GiB before they are ready.".into(),
        "* \"What the time is for\" was observed, of the programs in `contenders/` as they are written there: started with an".into(),
        "  inherited descriptor, an ignored and a blocked signal, and TERM; with a body that is ready late, exits or crashes".into(),
        "  before that; and a second time with the same pid file. \"–\": the contender has no pid file. `#[daemon]`".into(),
        "  without `Ready` is ready when its body begins.".into(),
    ];
    notes.into_iter().chain([String::new()]).collect()
}
