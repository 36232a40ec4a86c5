//! From the start of the process until its launcher is back, and until the body runs.

use std::error::Error;
use std::fs::{self, File};
use std::os::fd::OwnedFd;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::dup;

use crate::contender::Contender;
use crate::harness::Harness;
use crate::table::{Table, Unit};

/// What the program finds when it starts.
struct Case {
    /// Inherited descriptors besides the standard ones.
    descriptors: usize,
    limit: Limit,
    /// Bytes that the program has touched when it daemonizes, or in our case, when its body begins.
    bytes: usize,
    /// One in so many of the rounds, for what takes long.
    share: usize,
}

#[derive(Clone, Copy)]
pub enum Limit {
    /// What a shell and systemd give.
    Usual,
    /// All that may be had.
    Maximum,
}

const CASES: [Case; 5] = [
    Case { descriptors: 10, limit: Limit::Usual, bytes: 0, share: 1 },
    Case { descriptors: 10, limit: Limit::Maximum, bytes: 0, share: 1 },
    Case { descriptors: 10_000, limit: Limit::Maximum, bytes: 0, share: 1 },
    Case { descriptors: 1_000_000, limit: Limit::Maximum, bytes: 0, share: 1 },
    Case { descriptors: 10, limit: Limit::Usual, bytes: 1 << 30, share: 5 },
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
        let data = if case.bytes > 0 { ", 1 GiB" } else { "" };
        let title = format!("{descriptors} of {limit} descriptors{data}");
        eprintln!("launch: {title}");
        let inherited = open(descriptors)?;
        let mut back = vec![Vec::with_capacity(rounds); contenders.len()];
        let mut body = back.clone();
        let mut failed = vec![false; contenders.len()];
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        for _ in 0..rounds {
            // All in turn, so that what else the machine does hits all alike; none always after the same one, because
            // memory that another has just freed is cheaper than other memory.
            shuffle(&mut order, &mut random);
            for &at in &order {
                if failed[at] {
                    continue;
                }
                match harness.launch(&contenders[at], case.bytes) {
                    Ok(launch) => {
                        back[at].push(launch.back.as_secs_f64());
                        body[at].push(launch.body.as_secs_f64());
                    }
                    Err(why) => {
                        eprintln!("{} fails with {title}: {why}", contenders[at].name);
                        failed[at] = true;
                    }
                }
                harness.end_all()?;
            }
        }
        drop(inherited);
        let medians = |times: Vec<Vec<f64>>| times.into_iter().map(median).collect();
        table.row(format!("launcher back, {title}"), Unit::Seconds, medians(back));
        table.row(format!("body runs, {title}"), Unit::Seconds, medians(body));
    }
    Ok(())
}

/// Opens descriptors that a started program inherits.
pub fn open(count: usize) -> Result<Vec<OwnedFd>, Box<dyn Error>> {
    let null = File::open("/dev/null")?;
    Ok((0..count).map(|_| dup(&null)).collect::<Result<_, _>>()?)
}

/// Sets the limit for what is started, and gives it back. Without the right to raise it, the highest is the one found.
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

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
