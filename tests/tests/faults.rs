//! Every system call of the launch fails, is interrupted, or is the place of a signal that ends a process, one by one:
//! the launcher's exit code is 0 if and only if a daemon in the right state runs.
#![cfg(linux_alone)] // Ptrace(2), one system call at a time.
#![cfg(target_arch = "x86_64")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use tests::tracer::{Call, Fault, Record, Role, trace, trace_from};
use tests::{Expected, Family, Launch, Proc, hostile, strerror};

/// A daemon to launch, and what it must be like.
#[derive(Clone, Copy)]
struct Scene {
    name: &'static str,
    first: Role,
    program: &'static str,
    arguments: &'static [&'static str],
    options: &'static [(&'static str, &'static str)],
    umask: u32,
    ignored: &'static [i32],
}

const WITHOUT_READY: Scene = Scene {
    name: "without Ready, no options",
    first: Role::Launcher,
    program: env!("CARGO_BIN_EXE_without_ready"),
    arguments: &["mark", "pause"],
    options: &[],
    umask: 0o022,
    ignored: &[13],
};

const LITERAL: Scene =
    Scene { name: "nothing but literals", program: env!("CARGO_BIN_EXE_traced_literal"), ..WITHOUT_READY };

const READY: Scene = Scene {
    name: "with Ready, log files, a pid file",
    first: Role::Launcher,
    program: env!("CARGO_BIN_EXE_ready"),
    arguments: &["notify", "mark", "pause"],
    options: &[
        ("umask", "0o27"),
        ("stdin", "in"),
        ("stdout", "out"),
        ("stderr", "err"),
        ("pid_file", "pid"),
        ("ignore_sigchld", ""),
    ],
    umask: 0o027,
    ignored: &[13, 17],
};

const BY_HAND: Scene = Scene {
    name: "by hand",
    program: env!("CARGO_BIN_EXE_by_hand"),
    arguments: &["notify", "mark", "pause"],
    ..WITHOUT_READY
};

const SPAWN: Scene = Scene {
    name: "spawn, with a pid file",
    first: Role::Client,
    program: env!("CARGO_BIN_EXE_verbs"),
    arguments: &["notify", "mark", "pause"],
    options: &[("verb", "spawn"), ("pid_file", "pid")],
    ..WITHOUT_READY
};

/// No fault makes a start wait for the end of a time limit: for `start_timeout`, here 6 s, or for the 5 s after SIGTERM.
const SLOW: Duration = Duration::from_secs(4);

/// Options whose value is a file of the family.
const FILES: [&str; 4] = ["stdin", "stdout", "stderr", "pid_file"];

/// What a run came to, as far as it is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// Exit code 0, and the daemon is as it should be.
    Started,
    /// Another end, a line on stderr, nothing left.
    Refused,
    /// The launcher was killed, nothing left.
    Killed,
    /// The daemon was killed after the launcher had said `Go`: it died later.
    DiedLater,
    /// The launcher ended when nobody else was there yet, and when it was not sure that the pid file is its own, or by a
    /// SIGKILL: an empty file is left, which is not locked and blocks no start.
    Stale,
    /// The client was killed after the daemon was ready: it goes on.
    ClientKilled,
    /// The launcher was killed between `Go` and its exit: the daemon runs. The documentation says so under "Limits".
    KilledAfterGo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Errno,
    Eintr,
    Kill(Role),
    /// SIGTERM to the launcher.
    Terminate,
}

#[derive(Clone, Debug)]
struct Job {
    kind: Kind,
    role: Role,
    nth: usize,
}

impl Scene {
    fn launch<'a>(&self, family: &'a Family) -> Launch<'a> {
        std::fs::write(family.path("in"), "").expect("a file in the directory");
        let mut launch = family.launch(self.program).args(self.arguments).env("DAEMON_START_TIMEOUT", "6000");
        for (name, value) in self.options {
            let name_of = format!("DAEMON_{}", name.to_uppercase());
            launch = match FILES.contains(name) {
                true => launch.env(name_of, family.path(value)),
                false => launch.env(name_of, value),
            };
        }
        // Something to leak, and to inherit.
        // Numbers so high that what other tests have open changes nothing.
        let null = || PathBuf::from("/dev/null");
        let [one, another] = if cfg!(daemon_portable) { [100, 120] } else { [300, 400] };
        let launch = launch.under(hostile::open(one, null())).under(hostile::open(another, null()));
        let launch = if cfg!(daemon_portable) { launch.under(hostile::few_descriptors()) } else { launch };
        launch.under(hostile::ignored(&[Signal::SIGUSR1, Signal::SIGCHLD]))
    }

    fn option(&self, name: &str, family: &Family) -> Option<PathBuf> {
        self.options.iter().find(|(option, _)| *option == name).map(|(_, value)| family.path(value))
    }

    /// What is wrong with the daemon that stands at its body's mark.
    fn wrong(&self, family: &Family, record: &Record) -> Vec<String> {
        let pid = record.pids[&Role::Daemon];
        let Some(daemon) = Proc::of(pid) else {
            return vec!["the daemon is dead".into()];
        };
        let mut expected = Expected { umask: self.umask, ignored: self.ignored.to_vec(), ..Expected::default() };
        for (stream, name) in expected.streams.iter_mut().zip(["stdin", "stdout", "stderr"]) {
            if let Some(file) = self.option(name, family) {
                *stream = file;
            }
        }
        let pid_file = self.option("pid_file", family);
        if pid_file.is_some() {
            // The ends that remove it.
            expected.caught = vec![1, 2, 3, 6, 7, 11, 15];
        }
        expected.others.extend(pid_file.clone());
        let mut wrong = expected.differences(&daemon);
        if daemon.sid != record.pids[&Role::Leader] {
            wrong.push("its session is not the first child's".into());
        }
        if let Some(path) = pid_file {
            let holds = std::fs::read_to_string(&path).unwrap_or_default();
            if holds != format!("{pid}\n") || !Family::is_locked(&path) {
                wrong.push(format!("the pid file holds {holds:?}, or is not locked"));
            }
        }
        wrong
    }

    /// One launch, and what it came to.
    fn run(&self, job: &Job, goes: usize) -> Result<Option<Outcome>, String> {
        let family = Family::new();
        let mut wrong = Vec::new();
        let fault = |call: &Call| {
            let here = call.role == job.role && call.nth == job.nth;
            here.then(|| job.fault(call)).flatten()
        };
        let started = Instant::now();
        let record = trace_from(self.first, self.launch(&family), fault, |record| wrong = self.wrong(&family, record));
        let took = started.elapsed();
        let Some(hit) = &record.hit else {
            return Ok(None);
        };
        let report = |what: &str| {
            let ends = &record.ends;
            Err(format!("{}: {job:?} at {hit}: {what}\n    stderr {:?}, {ends:?}", self.name, record.stderr))
        };
        if !record.hung.is_empty() {
            return report(&format!("hangs: {:?}", record.hung));
        }
        if took > SLOW {
            return report(&format!("takes {took:?}"));
        }
        if !wrong.is_empty() {
            return report(&wrong.join("; "));
        }
        // Go is the last message that the launcher sends.
        let before = &record.calls[..record.hit_at.expect("it was hit")];
        let committed = before.iter().filter(|call| call.role == Role::Launcher && sends(call)).count() >= goes;
        match (record.code(), record.body) {
            (Some(0), true) => Ok(Some(Outcome::Started)),
            (Some(0), false) if job.kind == Kind::Kill(Role::Daemon) && committed => Ok(Some(Outcome::DiedLater)),
            (Some(0), false) => report("the launcher exits 0 and there is no daemon"),
            (None, true) if job.kind == Kind::Kill(Role::Launcher) && committed => Ok(Some(Outcome::KilledAfterGo)),
            (_, true) if job.kind == Kind::Kill(Role::Launcher) && committed => Ok(Some(Outcome::KilledAfterGo)),
            // The client ignores SIGCHLD here, so that the launcher's exit code does not tell.
            (_, true) if hit.role == Role::Launcher && committed && sends(hit) => Ok(Some(Outcome::KilledAfterGo)),
            // It has died after the launcher's last word, and the daemon goes on.
            (None, true) if job.kind == Kind::Kill(Role::Client) => Ok(Some(Outcome::ClientKilled)),
            (_, true) => report("the launcher fails and there is a daemon"),
            (code, false) => {
                if job.kind == Kind::Eintr && job.interrupts(hit) {
                    return report("an interruption fails the start");
                }
                let says_why =
                    record.stderr.contains("cannot start the daemon: the launcher has died; start it again\n");
                if job.kind == Kind::Kill(Role::Launcher) && record.pids.contains_key(&Role::Daemon) && !says_why {
                    return report("the daemon does not say why it ends");
                }
                if let Some(pid_file) = self.option("pid_file", &family).filter(|path| path.exists()) {
                    let empty = std::fs::read(&pid_file).is_ok_and(|holds| holds.is_empty());
                    let stale = empty && !Family::is_locked(&pid_file) && !record.pids.contains_key(&Role::Leader);
                    return if stale && job.kind != Kind::Terminate {
                        Ok(Some(Outcome::Stale))
                    } else {
                        report("the pid file is left")
                    };
                }
                if code.is_none() && [Kind::Kill(self.first), Kind::Terminate].contains(&job.kind) {
                    return Ok(Some(Outcome::Killed));
                }
                match record.stderr.lines().count() {
                    // A client gets an error, and prints nothing.
                    0 if self.first == Role::Client => Ok(Some(Outcome::Refused)),
                    // Both others say that the launcher has died, which in other scenes is nobody's to count.
                    2 if self.first == Role::Client && job.kind == Kind::Kill(Role::Launcher) => {
                        Ok(Some(Outcome::Refused))
                    }
                    1 => Ok(Some(Outcome::Refused)),
                    lines => report(&format!("{lines} lines on stderr")),
                }
            }
        }
    }
}

impl Job {
    fn fault(&self, call: &Call) -> Option<Fault> {
        match self.kind {
            Kind::Errno => call.failure(),
            // Where no manual page lists it, it is an error like others.
            Kind::Eintr => call.interruption().or(call.failure().map(|_| Fault::Fail(Errno::EINTR))),
            Kind::Kill(role) => Some(Fault::Kill(role)),
            Kind::Terminate => (call.role == Role::Launcher).then_some(Fault::Terminate),
        }
    }

    fn interrupts(&self, call: &Call) -> bool {
        call.interruption().is_some()
    }
}

/// Returns whether it sends a message. The handler of the launcher's signals writes, also after its last message.
fn sends(call: &Call) -> bool {
    ["sendto", "sendmsg"].contains(&&*call.name())
}

/// Sweeps over all calls of a launch, and prints what came of it.
fn sweep(scene: Scene) {
    let family = Family::new();
    let mut wrong = Vec::new();
    let clean = trace_from(scene.first, scene.launch(&family), |_| None, |record| wrong = scene.wrong(&family, record));
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(clean.body, "the body is not reached: {clean:#?}");
    assert_eq!(clean.code(), Some(0), "{clean:#?}");
    drop(family);
    // With a client, the last word is for that, and says the same once more.
    let goes = clean.of(Role::Launcher).filter(|call| sends(call)).count() - usize::from(scene.first == Role::Client);

    let kinds = [Kind::Errno, Kind::Eintr, Kind::Terminate].into_iter();
    let kinds = kinds.chain([Role::Launcher, Role::Leader, Role::Daemon].map(Kind::Kill));
    let kinds = kinds.chain((scene.first == Role::Client).then_some(Kind::Kill(Role::Client)));
    let jobs: Vec<Job> = kinds
        .flat_map(|kind| clean.calls.iter().map(move |call| (Job { kind, role: call.role, nth: call.nth }, call)))
        .filter(|(job, call)| job.role != Role::Other && job.fault(call).is_some())
        // What the client does when `spawn` has returned is the program's.
        .filter(|(job, call)| job.role != Role::Client || !["write", "symlink"].contains(&&*call.name()))
        .map(|(job, _)| job)
        .collect();
    let next = AtomicUsize::new(0);
    let tally = Mutex::new(BTreeMap::<(Kind, Option<Outcome>), u32>::new());
    let failures = Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(2, usize::from) + 1;
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Timing may let a process go another way; not always.
                    let outcome = (0..20).map(|_| scene.run(job, goes)).find(|outcome| !matches!(outcome, Ok(None)));
                    match outcome.transpose().map(Option::flatten) {
                        Ok(outcome) => {
                            *tally.lock().expect("no panic").entry((job.kind, outcome)).or_default() += 1;
                        }
                        Err(failure) => failures.lock().expect("no panic").push(failure),
                    }
                }
            });
        }
    });
    // Not println, which is only seen of tests that fail.
    let mut tell = std::io::stderr().lock();
    let count = |role| clean.of(role).count();
    let (launcher, leader, daemon) = (count(Role::Launcher), count(Role::Leader), count(Role::Daemon));
    let _ = writeln!(tell, "{}: {launcher} + {leader} + {daemon} system calls, {} launches", scene.name, jobs.len());
    let tally = tally.into_inner().expect("no panic");
    for ((kind, outcome), count) in &tally {
        let outcome = outcome.map_or("not reached".into(), |outcome| format!("{outcome:?}"));
        let _ = writeln!(tell, "  {kind:?}: {count} {outcome}");
    }
    let missed: u32 = tally.iter().filter(|((_, outcome), _)| outcome.is_none()).map(|(_, count)| count).sum();
    assert!(missed as usize <= jobs.len() / 50, "{missed} of {} places were not reached", jobs.len());
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{} exceptions:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_call_without_ready() {
    sweep(WITHOUT_READY);
}

#[test]
fn every_call_with_nothing_but_literals() {
    sweep(LITERAL);
}

#[test]
fn every_call_by_hand() {
    sweep(BY_HAND);
}

/// The process that goes on never believes wrongly.
#[test]
fn every_call_of_spawn() {
    sweep(SPAWN);
}

#[test]
fn every_call_with_ready() {
    sweep(READY);
}

/// In the foreground there is nobody who could take back what a SIGTERM cuts short.
#[test]
fn terminated_in_the_foreground() {
    let launch = |terminated: Option<usize>| {
        let family = Family::new();
        let pid_file = family.path("pid");
        let launch = family.launch(READY.program).env("DAEMON_FOREGROUND", "1").env("DAEMON_PID_FILE", &pid_file);
        let record = trace(
            launch.args(READY.arguments),
            |call| Some(Fault::Terminate).filter(|_| Some(call.nth) == terminated),
            |_| (),
        );
        (record, pid_file.exists())
    };
    let (clean, written) = launch(None);
    assert!(clean.body, "the body is not reached: {clean:#?}");
    assert!(written, "no pid file: {clean:#?}");
    for call in &clean.calls {
        let (record, left) = launch(Some(call.nth));
        assert!(!record.body, "{call}: it goes on: {record:#?}");
        assert!(!left, "{call}: the pid file is left: {record:#?}");
    }
}

/// The tracer must see a fault: a daemon that runs although its launcher fails, and the reverse, are told.
#[test]
#[cfg_attr(daemon_portable, ignore = "Linux alone: the session leader does not stay")]
fn the_sweep_can_fail() {
    let family = Family::new();
    let record = trace(WITHOUT_READY.launch(&family), |_| None, |_| ());
    assert_eq!(record.code(), Some(0));
    assert!(matches!(record.ends[&Role::Leader], WaitStatus::Exited(_, 0)), "{record:#?}");
    let mut other = WITHOUT_READY;
    other.umask = 0;
    other.ignored = &[];
    let mut wrong = Vec::new();
    trace(WITHOUT_READY.launch(&family), |_| None, |record| wrong = other.wrong(&family, record));
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}

// ---- What each failing step says

/// A failing step: who fails at what, with which error; the exit code, and what the line says.
type Failing = (Role, &'static [&'static str], Errno, i32, &'static [&'static str]);

const FORK: &[&str] = &["fork", "clone", "clone3"];

const FAILING: &[Failing] = &[
    (Role::Launcher, &["socketpair"], Errno::EMFILE, 71, &["socket"]),
    (Role::Launcher, FORK, Errno::EAGAIN, 71, &["fork"]),
    (Role::Leader, &["setsid"], Errno::EPERM, 77, &["session"]),
    (Role::Leader, FORK, Errno::EAGAIN, 71, &["fork"]),
    (Role::Daemon, &["chdir", "fchdir"], Errno::EACCES, 77, &["directory", "/"]),
    (Role::Daemon, &["dup2", "dup3"], Errno::EMFILE, 73, &["stdin"]),
    (Role::Daemon, &["rt_sigaction"], Errno::EINVAL, 71, &["signal"]),
    (Role::Daemon, &["rt_sigprocmask"], Errno::EINVAL, 71, &["signals"]),
];

#[test]
fn failing_steps() {
    for (role, names, errno, code, says) in FAILING {
        // musl's fork makes this call first, and looks at no error.
        if cfg!(target_env = "musl") && names.contains(&"rt_sigprocmask") {
            continue;
        }
        let family = Family::new();
        let fault = |call: &Call| (call.role == *role && names.contains(&&*call.name())).then_some(Fault::Fail(*errno));
        // With a signal that is ignored, or none has to be set.
        let launch = family.launch(WITHOUT_READY.program).under(hostile::ignored(&[Signal::SIGUSR1]));
        let record = trace(launch.args(["mark", "pause"]), fault, |_| ());
        assert!(record.hit.is_some(), "{names:?} of {role:?} is never called");
        let said = &record.stderr;
        assert_eq!(record.code(), Some(*code), "{names:?} of {role:?}: {said}");
        assert!(
            said.starts_with("without_ready: cannot ") && said.lines().count() == 1,
            "{names:?} of {role:?}: {said}"
        );
        for part in says.iter().copied().chain([&*strerror(*errno)]) {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
        assert!(record.hung.is_empty(), "it hangs: {record:#?}");
        assert!(!record.body, "the body is reached: {record:#?}");
        family.assert_gone();
    }
}
