//! A system call of the change of user fails, is interrupted, or only claims to have done what it should: no daemon runs
//! with more rights than were asked for, nor with others.
#![cfg(linux_alone)] // Ptrace(2), one system call at a time.
#![cfg(target_arch = "x86_64")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::errno::Errno;
use nix::libc::{
    SYS_capset, SYS_lseek, SYS_openat, SYS_read, SYS_setgid, SYS_setgroups, SYS_setregid, SYS_setreuid, SYS_setuid,
};
use tests::accounts::{Who, family, launch};
use tests::tracer::{Call, Fault, Record, Role, trace};
use tests::{Family, Launch, Proc, with};

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// Much to lose.
const BEFORE: &[&str] =
    &["setpriv", "--groups", "0,4,4102", "--inh-caps", "+chown,+kill", "--securebits", "+no_setuid_fixup"];

/// What a program is told that must believe it: "done".
const CLAIMS: [i64; 6] = [SYS_setgroups, SYS_setgid, SYS_setregid, SYS_setuid, SYS_setreuid, SYS_capset];

fn program(family: &Family) -> Launch<'_> {
    let launch = with(launch(family, BEFORE, READY), &[("user", "alice"), ("start_timeout", "6000")]);
    let launch = with(launch, &[("no_new_privileges", ""), ("no_core_dumps", "")]);
    launch.env("DAEMON_PID_FILE", family.path("pid")).args(["notify", "mark", "pause"])
}

/// What is wrong with the daemon, except, with `fewer_groups`, that it has fewer groups than it should.
fn wrong(record: &Record, fewer_groups: bool) -> Vec<String> {
    let Some(daemon) = Proc::of(record.pids[&Role::Daemon]) else {
        return vec!["the daemon is dead".into()];
    };
    let mut who = Who::alice();
    who.groups.retain(|group| !fewer_groups || daemon.groups.contains(group));
    let mut wrong = who.differences(&daemon);
    if !daemon.no_new_privileges {
        wrong.push("it may get new privileges".into());
    }
    wrong
}

#[derive(Clone, Debug)]
struct Job {
    role: Role,
    nth: usize,
    number: i64,
    fault: Fault,
}

impl Job {
    fn all(call: &Call) -> Vec<Job> {
        // What cannot fail needs no test.
        let interruption = call.interruption().unwrap_or(Fault::Fail(Errno::EINTR));
        let faults = call.failure().into_iter().flat_map(|failure| [failure, interruption]);
        let faults = faults.chain(CLAIMS.contains(&call.number).then_some(Fault::Return(0)));
        faults.map(|fault| Job { role: call.role, nth: call.nth, number: call.number, fault }).collect()
    }

    /// What went wrong, if something did.
    fn run(&self) -> Option<String> {
        let family = family();
        let mut state = Vec::new();
        let is_here = |call: &Call| (call.role, call.nth, call.number) == (self.role, self.nth, self.number);
        // getgrouplist(3) takes a group database that it cannot read for an empty one, and reports nothing.
        let unread = self.role == Role::Launcher && [SYS_openat, SYS_lseek, SYS_read].contains(&self.number);
        let fault = |call: &Call| is_here(call).then_some(self.fault);
        let record = trace(program(&family), fault, |record| state = wrong(record, unread));
        let hit = record.hit.as_ref()?;
        let code = record.code();
        let what = match (record.body, code) {
            _ if !record.hung.is_empty() => format!("hangs: {:?}", record.hung),
            (true, Some(0)) if state.is_empty() => return None,
            (true, _) => format!("runs, with code {code:?}: {}", state.join(", ")),
            (false, Some(0) | None) => format!("no daemon, and code {code:?}"),
            (false, _) if family.path("pid").exists() => "the pid file is left".into(),
            (false, _) if record.stderr.lines().count() != 1 => "not one line".into(),
            (false, _) => return None,
        };
        Some(format!("{hit} {:?}: {what}\n    stderr: {}", self.fault, record.stderr))
    }
}

#[test]
#[cfg_attr(not(daemon_portable), ignore = "needs root")]
#[cfg_attr(daemon_portable, ignore = "Linux alone: no_new_privileges is not to be had elsewhere")]
fn no_half_dropped_rights() {
    let clean = {
        let family = family();
        let mut state = Vec::new();
        let record = trace(program(&family), |_| None, |record| state = wrong(record, false));
        assert!(record.body, "the body is not reached: {record:#?}");
        assert!(state.is_empty(), "{state:?}, {record:#?}");
        record
    };
    for number in CLAIMS {
        assert!(clean.of(Role::Daemon).any(|call| call.number == number && call.result == Some(0)), "{number}");
    }
    let jobs: Vec<Job> = clean.calls.iter().filter(|call| call.role != Role::Other).flat_map(Job::all).collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let workers = thread::available_parallelism().map_or(2, usize::from) + 1;
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    failures.lock().expect("no panic").extend(job.run());
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} of {} launches:\n{}", failures.len(), jobs.len(), failures.join("\n"));
}
