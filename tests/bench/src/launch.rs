//! From the start of the process until its launcher is back, and until the body runs.

use std::error::Error;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::dup;

use crate::contender::Contender;
use crate::harness::{Harness, Start};
use crate::table::Table;

/// What the program finds when it starts.
struct Case {
    title: &'static str,
    /// Inherited descriptors besides the standard ones.
    descriptors: usize,
    limit: Limit,
    start: Start,
    /// Only who does the same work takes part.
    takes_part: fn(&Contender) -> bool,
    /// One in so many of the rounds, for what takes long: the whole benchmark takes less than ten minutes.
    share: usize,
    /// How long nothing is started before.
    pause: Duration,
}

#[derive(Clone, Copy)]
pub enum Limit {
    /// What a shell and systemd give.
    Usual,
    /// All that may be had.
    Maximum,
}

const USUAL: Case = Case {
    title: "",
    descriptors: 10,
    limit: Limit::Usual,
    start: Start { bytes: 0, pid_file: false, argument: None },
    takes_part: |_| true,
    share: 1,
    pause: Duration::ZERO,
};

/// So long a case goes on at most: a million descriptors or a busy machine make it slow.
const PATIENCE: Duration = Duration::from_secs(60);

const CASES: [Case; 7] = [
    USUAL,
    // As people start a daemon. What one launch has warmed up serves the next one only for some milliseconds: the kernel's
    // grace periods for one.
    Case { title: ", after 0.1 s", share: 10, pause: Duration::from_millis(100), ..USUAL },
    Case { title: ", with a pid file", start: Start { pid_file: true, ..USUAL.start }, ..USUAL },
    Case { limit: Limit::Maximum, ..USUAL },
    Case { descriptors: 10_000, limit: Limit::Maximum, takes_part: Contender::closes, share: 3, ..USUAL },
    Case { descriptors: 1_000_000, limit: Limit::Maximum, takes_part: Contender::closes, share: 3, ..USUAL },
    Case {
        title: ", after 1 GiB was loaded",
        start: Start { bytes: 1 << 30, ..USUAL.start },
        takes_part: |contender| !contender.loads_late,
        share: 40,
        ..USUAL
    },
];

pub fn measure(
    harness: &Harness,
    contenders: &[Contender],
    rounds: usize,
    table: &mut Table,
) -> Result<(), Box<dyn Error>> {
    let mut random = 1;
    for case in &CASES {
        let rounds = rounds.div_ceil(case.share);
        let limit = set_limit(case.limit)?;
        // A few are left for the program's own.
        let descriptors = case.descriptors.min(limit as usize - 100);
        let title = format!("{descriptors} of {limit} descriptors{}", case.title);
        eprintln!("launch: {title}");
        let inherited = open(descriptors)?;
        let mut back = vec![Vec::with_capacity(rounds); contenders.len()];
        let (mut body, mut processor) = (back.clone(), back.clone());
        let takes_part =
            |at: &usize| (case.takes_part)(&contenders[*at]) && contenders[*at].command(case.start.pid_file).is_some();
        let mut order: Vec<usize> = (0..contenders.len()).filter(takes_part).collect();
        let (begin, mut done) = (Instant::now(), 0);
        while done < rounds && (done == 0 || begin.elapsed() < PATIENCE) {
            done += 1;
            // All in turn, so that what else the machine does hits all alike; none always after the same one, because
            // memory that another has just freed is cheaper than other memory.
            shuffle(&mut order, &mut random);
            for at in order.clone() {
                sleep(case.pause);
                match harness.launch(&contenders[at], &case.start) {
                    Ok(launch) => {
                        back[at].push(launch.back.as_secs_f64());
                        body[at].push(launch.body.as_secs_f64());
                        processor[at].push(launch.processor.as_secs_f64());
                    }
                    Err(why) => {
                        eprintln!("{} fails with {title}: {why}", contenders[at].name);
                        harness.end_all()?;
                        order.retain(|other| *other != at);
                    }
                }
            }
        }
        drop(inherited);
        for (what, times) in [("launcher back", back), ("body runs", body), ("processor time", processor)] {
            table.times(format!("{what}, {title}"), times);
        }
        table.rounds.push(format!("{done} with {title}"));
    }
    Ok(())
}

/// Opens descriptors that a started program inherits.
pub fn open(count: usize) -> Result<Vec<OwnedFd>, Box<dyn Error>> {
    let null = File::open("/dev/null")?;
    Ok((0..count).map(|_| dup(&null)).collect::<Result<_, _>>()?)
}

/// Sets the limit for what is started, and returns it. Without the right to raise it, the highest is the one found.
pub fn set_limit(limit: Limit) -> Result<u64, Box<dyn Error>> {
    let most = fs::read_to_string("/proc/sys/fs/nr_open")?.trim().parse()?;
    let hard = match setrlimit(Resource::RLIMIT_NOFILE, most, most) {
        Ok(()) => most,
        Err(_) => getrlimit(Resource::RLIMIT_NOFILE)?.1,
    };
    let soft = match limit {
        Limit::Usual => 1024.min(hard),
        Limit::Maximum => hard,
    };
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
    Ok(soft)
}

/// Another order, the same ones in each run of the benchmark.
fn shuffle(order: &mut [usize], random: &mut u64) {
    for last in (1..order.len()).rev() {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (*random >> 33) as usize % (last + 1));
    }
}
