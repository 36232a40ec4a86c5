//! One instance, while starts, stops and those who only look come all at once. The figures are printed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant as Clock};

use daemon_runtime::{ErrorKind, Instance, State};
use nix::sys::signal::Signal;
use tests::{DEADLINE, Family, Proc, until};

const READY: &str = env!("CARGO_BIN_EXE_ready");

/// A pid file, and what has become of the daemons that have had it.
struct Race {
    family: Family,
    pid_file: PathBuf,
    /// Daemons that have certainly ended.
    ended: Mutex<BTreeSet<u32>>,
    starts: AtomicUsize,
    started: AtomicUsize,
    refused: AtomicUsize,
    stopped: AtomicUsize,
    looks: AtomicUsize,
    longest_start: Mutex<Duration>,
    longest_look: Mutex<Duration>,
    /// What went wrong: not a panic in a thread, which would leave the others running.
    wrong: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Race {
    fn new() -> Race {
        let family = Family::new();
        let pid_file = family.path("pid");
        Race {
            family,
            pid_file,
            ended: Mutex::default(),
            starts: AtomicUsize::new(0),
            started: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            stopped: AtomicUsize::new(0),
            looks: AtomicUsize::new(0),
            longest_start: Mutex::default(),
            longest_look: Mutex::default(),
            wrong: Mutex::default(),
            is_over: AtomicBool::new(false),
        }
    }

    fn daemon(&self) -> Instance {
        Instance::at(&self.pid_file)
    }

    fn report(&self, what: String) {
        self.wrong.lock().expect("no panic").push(what);
    }

    /// One start. It succeeds; or a daemon has the file; or, where others stop, its daemon was stopped before it was ready.
    fn start(&self, is_stopped_by_others: bool) {
        let end = self.family.launch(READY).env("DAEMON_PID_FILE", &self.pid_file).args(["notify", "pause"]).run();
        self.starts.fetch_add(1, Ordering::Relaxed);
        let mut longest = self.longest_start.lock().expect("no panic");
        *longest = end.took.max(*longest);
        let said = end.stderr.strip_prefix("ready: cannot ").unwrap_or(&end.stderr);
        match end.status.code() {
            Some(0) if said.is_empty() => drop(self.started.fetch_add(1, Ordering::Relaxed)),
            Some(69) if is_held(said, &self.pid_file) => drop(self.refused.fetch_add(1, Ordering::Relaxed)),
            Some(143) if is_stopped_by_others && said == "start the daemon: the daemon was killed by SIGTERM\n" => {}
            _ => self.report(format!("a start: {end:#?}")),
        }
    }

    /// Stops the daemon, if there is one. Then it has ended.
    fn stop(&self) {
        let pid = self.daemon().pid();
        match (pid, self.daemon().stop(DEADLINE)) {
            (Ok(pid), Ok(())) => {
                self.stopped.fetch_add(1, Ordering::Relaxed);
                // Another one may have been stopped than was seen.
                let pid = pid.filter(|pid| !Proc::lives(*pid as i32));
                self.ended.lock().expect("no panic").extend(pid);
            }
            (Ok(_), Err(error)) if error.kind() == ErrorKind::NotRunning && !is_stale(&error.to_string()) => {}
            (pid, stopped) => self.report(format!("a stop: {pid:?}, {stopped:?}")),
        }
    }

    /// Kills the daemon, which leaves its pid in the file.
    fn kill(&self) {
        match self.daemon().pid().and_then(|pid| self.daemon().signal(Signal::SIGKILL as i32).map(|()| pid)) {
            Ok(Some(pid)) => {
                until("its end", || (!Proc::lives(pid as i32)).then_some(()));
                self.ended.lock().expect("no panic").insert(pid);
            }
            other => self.report(format!("a kill: {other:?}")),
        }
    }

    /// Looks again and again. A daemon that had ended when a look began is not believed to run; `stranger` is never one.
    fn look(&self, stranger: u32) {
        let daemon = self.daemon();
        while !self.is_over.load(Ordering::Relaxed) {
            let ended = self.ended.lock().expect("no panic").clone();
            let began = Clock::now();
            match daemon.pid() {
                // Its number may be a new daemon's by now.
                Ok(Some(pid)) if pid == stranger || ended.contains(&pid) && !Proc::lives(pid as i32) => {
                    self.report(format!("process {pid}, which has ended, is believed"));
                }
                Ok(_) => {}
                Err(error) => self.report(format!("a look: {error}")),
            }
            if let Err(error) = daemon.state() {
                self.report(format!("a look at the state: {error}"));
            }
            let mut longest = self.longest_look.lock().expect("no panic");
            *longest = began.elapsed().max(*longest);
            self.looks.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Ends what still runs, prints the figures, and fails if something was wrong.
    fn end(self, name: &str) {
        match self.daemon().stop(DEADLINE) {
            Err(error) if error.kind() != ErrorKind::NotRunning => self.report(format!("the last stop: {error}")),
            _ => {}
        }
        self.family.assert_nothing_left(&self.pid_file);
        assert_eq!(self.daemon().state().expect("no file"), State::Stopped);
        let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        let [starts, started, refused] = [&self.starts, &self.started, &self.refused].map(count);
        let [stopped, looks] = [&self.stopped, &self.looks].map(count);
        let [start, look] = [&self.longest_start, &self.longest_look].map(|time| *time.lock().expect("no panic"));
        // Not println, which is only seen of tests that fail.
        let _ = writeln!(
            std::io::stderr().lock(),
            "{name}: {starts} starts, {started} succeeded, {refused} refused; {stopped} stops; {looks} looks; \
             longest start {start:?}, longest look {look:?}"
        );
        let wrong = self.wrong.into_inner().expect("no panic");
        assert!(wrong.is_empty(), "{} times: {:#?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    }
}

/// Whether this says that a living daemon has the file.
fn is_held(said: &str, pid_file: &Path) -> bool {
    let held = said.strip_prefix(&format!("lock pid file {}: held by process ", pid_file.display()));
    held.is_some_and(|held| held.ends_with("; stop it first, or choose another pid file\n"))
}

/// Whether this says that somebody holds the file who is no daemon.
fn is_stale(error: &str) -> bool {
    error.contains("has left") || error.contains("has not written its pid")
}

/// Two thousand starts, by three who start and one who stops, and two who look.
#[test]
#[ignore = "takes a minute"]
fn starts_and_stops_against_each_other() {
    const STARTS: usize = 2000;
    let race = Race::new();
    thread::scope(|scope| {
        let start = || {
            while race.starts.load(Ordering::Relaxed) < STARTS {
                race.start(true);
            }
        };
        let starters = [(); 3].map(|()| scope.spawn(start));
        for _ in 0..2 {
            scope.spawn(|| race.look(std::process::id()));
        }
        scope.spawn(|| {
            while !race.is_over.load(Ordering::Relaxed) {
                race.stop();
            }
        });
        starters.into_iter().for_each(|starter| starter.join().expect("no panic"));
        race.is_over.store(true, Ordering::Relaxed);
    });
    race.end("starts and stops against each other");
}

/// Each start finds what a daemon has left that was killed, or the number of a process that is none; and there are some who look.
#[test]
#[ignore = "takes ten seconds"]
fn forty_starts_at_once_ten_times() {
    let race = Race::new();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| race.look(std::process::id()));
        }
        for round in 0..10 {
            if round % 2 == 0 {
                let _ = fs::write(&race.pid_file, format!("{}\n", std::process::id()));
            }
            thread::scope(|scope| (0..40).for_each(|_| drop(scope.spawn(|| race.start(false)))));
            let started = race.started.load(Ordering::Relaxed);
            if started != round + 1 {
                race.report(format!("round {round}: {started} starts have succeeded"));
            }
            let pid = race.daemon().pid().ok().flatten().unwrap_or_default();
            let members = race.family.members();
            if members != [pid as i32] {
                race.report(format!("round {round}: {members:?} run, and {pid} is the daemon"));
            }
            race.stop();
        }
        race.is_over.store(true, Ordering::Relaxed);
    });
    race.end("forty starts at once, ten times");
}

/// One after the other, killed and stopped in turn, beside four who look.
#[test]
#[ignore = "takes half a minute"]
fn looks_beside_starts() {
    let race = Race::new();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| race.look(std::process::id()));
        }
        for number in 0..500 {
            race.start(false);
            if number % 2 == 0 { race.kill() } else { race.stop() }
        }
        race.is_over.store(true, Ordering::Relaxed);
    });
    let (starts, started) = (race.starts.load(Ordering::Relaxed), race.started.load(Ordering::Relaxed));
    if started != starts {
        race.report(format!("{started} of {starts} starts have succeeded"));
    }
    race.end("looks beside starts");
}
