//! What each step of a launch costs in each process. The launch runs under ptrace(2), and a filter of seccomp(2) stops it
//! where a step begins, and almost nowhere else: /proc has the processor time and the page faults until there. Other
//! launches stop at every system call, and count them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::os::fd::AsRawFd;
use std::thread::sleep;
use std::time::Duration;

use nix::libc::PTRACE_EVENT_SECCOMP;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::contender::Contender;
use crate::harness::{Harness, Start};
use crate::launch::{Limit, open, set_limit};
use crate::steps::{self, Mark};
use crate::table::{median, quarter};

/// Launches whose system calls are counted. What a launcher that waits is woken by varies.
const COUNTED: usize = 11;

const PROCESSES: [&str; 3] = ["launcher", "session leader", "daemon"];

/// What a process has used until a stop, or in a step: stops, page faults, and seconds of processor time.
type Usage = [f64; 3];

struct Process<'a> {
    pid: Pid,
    marks: &'a [Mark],
    step: usize,
    stops: f64,
    /// Where the step began.
    before: Usage,
    is_over: bool,
}

/// What was used, by process and step.
type Used = BTreeMap<(usize, usize), Vec<Usage>>;

pub fn measure(harness: &Harness, contender: &Contender, rounds: usize) -> Result<String, Box<dyn Error>> {
    eprintln!("profile");
    set_limit(Limit::Usual)?;
    let inherited = open(10)?;
    let marks = steps::marks(inherited[0].as_raw_fd() as u32);
    let stop = cost_of_a_stop()?;
    let mut text = format!(
        "* Medians and quartiles of {rounds} launches of {}; system calls are medians of {COUNTED} others.\n\
         * A step lasts until the next one of its process begins. The numbers are those of daemon(7).\n\
         * 10 of 1024 descriptors are inherited. The launcher's first step begins behind execve(2).\n\
         * Processor time is user and system time. Each stop at a step costs {:.1} us, as was measured by empty steps, which\n  \
         are subtracted. What a stop does to the caches stays: the sum is more than an undisturbed launch takes.\n",
        contender.title(),
        stop * 1e6
    );
    let cases = [(false, "Without a pid file"), (true, "With a pid file")];
    let mut used = [[Used::new(), Used::new()], [Used::new(), Used::new()]];
    // In turn, so that what else the machine does hits both alike.
    for round in 0..COUNTED + rounds {
        let counts = round < COUNTED;
        for (at, (pid_file, _)) in cases.into_iter().enumerate() {
            let filter = if counts { Vec::new() } else { steps::filter(&marks) };
            let mut command = harness.command(&[], contender, &Start { bytes: 0, pid_file, argument: None });
            let launcher = Pid::from_raw(steps::under_trace(&mut command, filter).spawn()?.id() as i32);
            trace(launcher, &marks, counts, &mut used[at][usize::from(counts)])?;
            harness.end_all()?;
        }
    }
    for ((_, title), [timed, counted]) in cases.iter().zip(&used) {
        if let Some(step) = steps::missing(&marks, timed) {
            return Err(format!("no call begins the step \"{step}\": steps.rs has to follow the crate").into());
        }
        write!(text, "\n## {title}\n\n{}", table(&marks, counted, timed, stop))?;
    }
    Ok(text)
}

/// Follows a process and what it forks until the launcher has ended and main's body begins.
fn trace(first: Pid, marks: &[Vec<Mark>], counts: bool, used: &mut Used) -> Result<(), Box<dyn Error>> {
    use ptrace::Options;
    waitpid(first, None)?;
    let forks = Options::PTRACE_O_TRACEFORK | Options::PTRACE_O_TRACEVFORK | Options::PTRACE_O_TRACECLONE;
    let stops = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACESECCOMP | Options::PTRACE_O_EXITKILL;
    ptrace::setoptions(first, forks | stops)?;
    ptrace::syscall_info(first)?;
    let new = |pid, at: usize, before| Process { pid, marks: &marks[at], step: 0, stops: 0.0, before, is_over: false };
    let mut processes = vec![new(first, 0, usage(first, 0.0)?)];
    let resume = |pid, signal| if counts { ptrace::syscall(pid, signal) } else { ptrace::cont(pid, signal) };
    resume(first, None)?;
    while processes.iter().any(|process| !process.is_over) {
        let seen = waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WSTOPPED | WaitPidFlag::WNOWAIT)?;
        let pid = seen.pid().expect("a process");
        let at = processes.iter().position(|process| process.pid == pid).unwrap_or_else(|| {
            processes.push(new(pid, processes.len(), [0.0; 3]));
            processes.len() - 1
        });
        let process = &mut processes[at];
        if matches!(seen, WaitStatus::Exited(..) | WaitStatus::Signaled(..)) {
            // It is a zombie before it leaves its processor, which is when its time is counted.
            sleep(Duration::from_micros(100));
            process.end_step(at, used)?;
            process.is_over = true;
            waitpid(pid, None)?;
            continue;
        }
        let signal = match waitpid(pid, None)? {
            WaitStatus::Stopped(_, signal) if signal != Signal::SIGSTOP => Some(signal),
            WaitStatus::PtraceSyscall(_) | WaitStatus::PtraceEvent(_, _, PTRACE_EVENT_SECCOMP) => {
                process.at_call(at, used).map(|()| None)?
            }
            _ => None,
        };
        if !process.is_over {
            resume(pid, signal)?;
        }
    }
    Ok(())
}

impl Process<'_> {
    /// A system call, which may begin a step, or its end.
    fn at_call(&mut self, at: usize, used: &mut Used) -> Result<(), Box<dyn Error>> {
        // Waits until the process has left its processor, as all requests of ptrace do.
        let info = ptrace::syscall_info(self.pid)?;
        let Some((call, arguments)) = steps::entered(&info) else { return Ok(()) };
        if let Some(step) = steps::begun(&self.marks[self.step + 1..], call, arguments) {
            self.end_step(at, used)?;
            self.step += 1 + step;
        }
        self.is_over = self.marks[self.step].name.is_empty() || call == steps::BODY_SLEEPS;
        self.stops += 1.0;
        Ok(())
    }

    fn end_step(&mut self, at: usize, used: &mut Used) -> Result<(), Box<dyn Error>> {
        let now = usage(self.pid, self.stops)?;
        let since = std::array::from_fn(|what| now[what] - self.before[what]);
        used.entry((at, self.step)).or_default().push(since);
        self.before = now;
        Ok(())
    }
}

fn usage(pid: Pid, stops: f64) -> Result<Usage, Box<dyn Error>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let faults = stat.rsplit(')').next().and_then(|stat| stat.split_whitespace().nth(7)).ok_or("no faults")?.parse()?;
    let time = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let time = time.split_whitespace().next().ok_or("no time")?.parse::<f64>()? / 1e9;
    Ok([stops, faults, time])
}

/// The processor time of a step that has nothing in it but the call that begins it.
fn cost_of_a_stop() -> Result<f64, Box<dyn Error>> {
    let (marks, mut used) = ([steps::empty(1000)], Used::new());
    trace(steps::fork_empty(&marks)?, &marks, false, &mut used)?;
    // The first step begins with the fork, the last one ends the process.
    let times = used.into_iter().filter(|((_, step), _)| (1..1000).contains(step)).map(|(_, used)| used[0][2]);
    median(times.collect()).ok_or_else(|| "no step".into())
}

fn table(marks: &[Vec<Mark>], counted: &Used, timed: &Used, stop: f64) -> String {
    let header =
        "| process | step | system calls | page faults | processor time, us |\n| --- | --- | --: | --: | --: |\n";
    let (mut text, mut sums) = (header.to_owned(), [[0.0; 3]; 4]);
    let at = |what: usize, used: &[Usage]| median(used.iter().map(|used| used[what]).collect()).unwrap_or_default();
    for (step, used) in timed {
        let (calls, faults) = (counted.get(step).map_or(0.0, |used| at(0, used)), at(1, used));
        let mut times: Vec<f64> = used.iter().map(|[stops, _, time]| (time - stops * stop).max(0.0) * 1e6).collect();
        times.sort_by(f64::total_cmp);
        let [low, time, high] = [1, 2, 3].map(|quarters| quarter(&times, quarters).unwrap_or_default());
        let (process, name) = (step.0, marks[step.0][step.1].name);
        let who = PROCESSES[process];
        text += &format!("| {who} | {name} | {calls:.0} | {faults:.0} | {time:.0} [{low:.0}–{high:.0}] |\n");
        for sum in [process, 3] {
            sums[sum] = [sums[sum][0] + calls, sums[sum][1] + faults, sums[sum][2] + time];
        }
    }
    for (who, [calls, faults, time]) in PROCESSES.into_iter().chain(["all"]).zip(sums) {
        text += &format!("| **{who}** | | {calls:.0} | {faults:.0} | {time:.0} |\n");
    }
    text
}
