//! What a daemon is and what its launcher says, as it was seen from outside. Nothing here is taken from a manual.

use std::fs::{self, DirEntry, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::dup;

use crate::contender::{Contender, Group};
use crate::harness::{Harness, Report, Start};
use crate::table::Table;

/// What is promised, and whether it is kept.
pub type Promise = (&'static str, bool);

pub const CLOSES: &str = "closes inherited descriptors";

/// How long a body with the argument `late` takes until it is ready.
const LATE: Duration = Duration::from_millis(500);

/// Longer than any launcher waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longer than a body takes to begin.
const SOON: u16 = 1000;

const START: Start = Start { bytes: 0, pid_file: false, argument: None };

/// Tries a contender out, or returns an error if it makes no daemon at all.
pub fn observe(harness: &Harness, contender: &Contender) -> io::Result<Vec<Promise>> {
    // A body that crashes leaves no file behind.
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    let mut daemon = daemon(harness, contender)?;
    harness.end_all()?;
    if contender.group == Group::Floor {
        return Ok(Vec::new());
    }
    let mut promises = launcher(harness, contender)?.to_vec();
    promises.append(&mut daemon);
    if contender.command(true).is_some() {
        promises.extend(pid_file(harness, contender)?);
    }
    Ok(promises)
}

/// What the launcher says of how the start ends.
fn launcher(harness: &Harness, contender: &Contender) -> io::Result<[Promise; 5]> {
    let run = |argument| -> io::Result<_> {
        let start = Start { argument: Some(argument), ..START };
        let began = Instant::now();
        let mut launcher = harness.command(&[], contender, &start).stderr(Stdio::piped()).spawn()?;
        let status = end_of(&mut launcher)?;
        let took = began.elapsed();
        let mut stderr = launcher.stderr.take().expect("it is piped");
        // Who has not ended ends here, and with it the pipe.
        harness.end_all()?;
        let mut said = String::new();
        stderr.read_to_string(&mut said)?;
        Ok((status, took, said))
    };
    let (late, exits, crashes) = (run("late")?, run("exits")?, run("crashes")?);
    let tells = |status: Option<ExitStatus>| status.is_some_and(|status| !status.success());
    Ok([
        ("launcher waits until the body is ready", late.1 >= LATE),
        ("launcher's exit code tells that the body ended before that", tells(exits.0)),
        ("launcher's exit code is then the body's", exits.0.and_then(|status| status.code()) == Some(3)),
        ("launcher's exit code tells that the body crashed before that", tells(crashes.0)),
        ("what the body says on stderr before that is seen", exits.2.contains("it has no disk")),
    ])
}

/// What the daemon is, which was started with a descriptor, an ignored and a blocked signal, and a terminal's variable.
fn daemon(harness: &Harness, contender: &Contender) -> io::Result<Vec<Promise>> {
    let inherited = dup(File::open(harness.file(""))?)?;
    let spoil = ["env", "--ignore-signal=USR2", "--block-signal=USR1", "TERM=dumb"];
    let mut launcher = harness.command(&spoil, contender, &START).spawn()?;
    drop(inherited);
    let status = end_of(&mut launcher)?.ok_or_else(|| io::Error::other("the launcher stays"))?;
    if !status.success() {
        return Err(io::Error::other(format!("the launcher ended with {status}")));
    }
    let report = harness.report()?;
    if contender.group == Group::Floor { Ok(Vec::new()) } else { state(harness, &report) }
}

fn state(harness: &Harness, report: &Report) -> io::Result<Vec<Promise>> {
    let process = Path::new("/proc").join(report.pid.to_string());
    let session = |stat: String| stat.rsplit(')').next()?.split_whitespace().nth(3).map(str::to_owned);
    let (own, its) = (fs::read_to_string("/proc/self/stat")?, fs::read_to_string(process.join("stat"))?);
    let (own, its) = (session(own), session(its));
    let leads = |path: &str, target: &Path| fs::read_link(process.join(path)).is_ok_and(|to| to == target);
    let is_inherited = |entry: io::Result<DirEntry>| {
        entry.and_then(|entry| fs::read_link(entry.path())).is_ok_and(|link| link == harness.file(""))
    };
    let status = fs::read_to_string(process.join("status"))?;
    let has = |set: &str, signal: Signal| {
        let line = status.lines().find_map(|line| line.strip_prefix(set)).unwrap_or_default();
        u64::from_str_radix(line.trim(), 16).is_ok_and(|set| set & 1 << (signal as u64 - 1) != 0)
    };
    Ok(vec![
        ("has left the session", its != own),
        ("is not the session's leader", its != Some(report.pid.to_string())),
        (CLOSES, !fs::read_dir(process.join("fd"))?.any(is_inherited)),
        ("is in /", leads("cwd", "/".as_ref())),
        ("has its umask", status.contains("Umask:\t0022")),
        ("has its streams on /dev/null", ["fd/0", "fd/1", "fd/2"].iter().all(|fd| leads(fd, "/dev/null".as_ref()))),
        ("resets ignored signals", !has("SigIgn:", Signal::SIGUSR2)),
        ("resets blocked signals", !has("SigBlk:", Signal::SIGUSR1)),
        ("drops the terminal's variables", !report.has_term),
    ])
}

/// Starts it a second time while it runs, and once after it was killed.
fn pid_file(harness: &Harness, contender: &Contender) -> io::Result<[Promise; 4]> {
    let path = harness.pid_file();
    let start = || -> io::Result<_> {
        let mut launcher =
            harness.command(&[], contender, &Start { pid_file: true, ..START }).stderr(Stdio::null()).spawn()?;
        let status = end_of(&mut launcher)?;
        let runs = harness.has_report(PollTimeout::from(SOON))?;
        Ok((status, if runs { Some(harness.report()?) } else { None }))
    };
    let (_, first) = start()?;
    let content = fs::read_to_string(&path).unwrap_or_default();
    let (status, second) = start()?;
    // Removes the file as well: it is put back as a daemon leaves it that was killed.
    harness.end_all()?;
    fs::write(&path, &content)?;
    let (_, third) = start()?;
    harness.end_all()?;
    Ok([
        ("its pid is in the pid file", first.is_some_and(|report| content.trim() == report.pid.to_string())),
        ("a second start is refused by the pid file", second.is_none()),
        ("its launcher's exit code tells that", status.is_some_and(|status| !status.success())),
        ("a pid file left by a crash does not refuse a start", third.is_some()),
    ])
}

/// How the launcher has ended, if it has.
fn end_of(launcher: &mut Child) -> io::Result<Option<ExitStatus>> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(status) = launcher.try_wait()? {
            return Ok(Some(status));
        }
        sleep(Duration::from_millis(1));
    }
    Ok(None)
}

/// A table of the promises beside the times.
pub fn markdown(contenders: &[Contender], table: &Table) -> String {
    let daemons = || contenders.iter().enumerate().filter(|(_, contender)| contender.group != Group::Floor);
    let mut lines = vec![vec![String::new()], vec!["---".to_owned()]];
    lines[0].extend(daemons().map(|(_, contender)| contender.name.to_owned()));
    lines[1].extend(daemons().map(|_| "---".to_owned()));
    for title in ["launcher back", "body runs"] {
        let medians = daemons().map(|(at, _)| table.median(&format!("{title}, 10 of 1024 descriptors"), at));
        lines.push([title.to_owned()].into_iter().chain(medians).collect());
    }
    let mut titles = Vec::new();
    for (title, _) in daemons().flat_map(|(_, contender)| &contender.promises) {
        if !titles.contains(title) {
            titles.push(title);
        }
    }
    for title in titles {
        let kept = daemons().map(|(_, contender)| match contender.keeps(title) {
            Some(true) => "yes".to_owned(),
            Some(false) => "no".to_owned(),
            None => "–".to_owned(),
        });
        lines.push([(*title).to_owned()].into_iter().chain(kept).collect());
    }
    let lines: String = lines.iter().map(|line| format!("| {} |\n", line.join(" | "))).collect();
    format!("## What the time is for\n\n{lines}")
}
