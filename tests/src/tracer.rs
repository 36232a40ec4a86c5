//! A tracer of the launch: it tells the three processes apart, knows every system call of each, and can make any of them
//! fail or the place of a SIGKILL. strace could not: it counts the calls of all processes alike.

mod call;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::SYS_close;
use nix::sys::ptrace::{self, Event, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

pub use call::Call;

use crate::{Launch, fixture, raw};

/// How long a traced launch may take: less than the tests' deadline, more than the runtime's own limits for its steps.
pub const LIMIT: Duration = Duration::from_secs(12);

/// The processes of a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The program as it was started, where that goes on: `Daemon::spawn`.
    Client,
    /// The program as it was started, or the client's child.
    #[default]
    Launcher,
    /// Its child, which calls setsid.
    Leader,
    /// The child of that.
    Daemon,
    /// Whatever else was forked.
    Other,
}

/// What happens at a system call.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It fails, and has done nothing.
    Fail(Errno),
    /// It is done, and yet fails: so does a close that is interrupted.
    FailAfter(Errno),
    /// It returns this value, and has done nothing.
    Return(i64),
    /// Before it, this process is killed by SIGKILL. If it is gone already, nothing happens.
    Kill(Role),
    /// Before it, this process gets a SIGTERM.
    Terminate,
}

/// What was seen of a launch.
#[derive(Debug, Default)]
pub struct Record {
    /// What the program as it was started is.
    pub first: Role,
    /// The system calls from the beginning of `main` to the body's mark, in the order in which they began.
    pub calls: Vec<Call>,
    /// The process ids.
    pub pids: BTreeMap<Role, i32>,
    /// How the processes ended, those aside that the tracer ended after the launch.
    pub ends: BTreeMap<Role, WaitStatus>,
    /// The call that a fault hit.
    pub hit: Option<Call>,
    /// What had been called by then: the index into `calls`.
    pub hit_at: Option<usize>,
    /// Whether the daemon came to its body's mark.
    pub body: bool,
    /// Processes that were still there when the time was over, and the call they were in.
    pub hung: Vec<String>,
    /// All that was written to stderr.
    pub stderr: String,
}

impl Record {
    /// The exit code of the program as it was started; `None` if it was killed.
    pub fn code(&self) -> Option<i32> {
        match self.ends.get(&self.first) {
            Some(WaitStatus::Exited(_, code)) => Some(*code),
            _ => None,
        }
    }

    /// The calls of one process.
    pub fn of(&self, role: Role) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(move |call| call.role == role)
    }
}

/// Launches a fixture and traces it until its processes are gone, or the daemon stands at its body's mark and all others
/// are gone. There, and only if the launcher has exited with 0, `at_body` may look at the daemon; then it is killed.
///
/// `fault` is asked before each system call, until it has once said what shall happen.
pub fn trace(launch: Launch<'_>, fault: impl FnMut(&Call) -> Option<Fault>, at_body: impl FnOnce(&Record)) -> Record {
    trace_from(Role::Launcher, launch, fault, at_body)
}

/// The same of a program that is the launcher, or the client.
pub fn trace_from(
    first: Role,
    mut launch: Launch<'_>,
    mut fault: impl FnMut(&Call) -> Option<Fault>,
    at_body: impl FnOnce(&Record),
) -> Record {
    raw::before_exec(launch.command(), || Ok(ptrace::traceme()?));
    // A file, which nobody has to empty.
    let stderr = launch.family().path("stderr");
    let mut launch = launch.stderr(File::create(&stderr).expect("a file for stderr"));
    #[expect(clippy::zombie_processes, reason = "the tracer waits for all that it traces")]
    let child = launch.command().spawn().expect("the fixture can be started");
    let launcher = Pid::from_raw(child.id() as i32);
    let alive = Arc::new(Mutex::new(BTreeSet::from([launcher])));
    let (done, is_done) = channel::<()>();
    let watched = alive.clone();
    let watchdog = thread::spawn(move || {
        if is_done.recv_timeout(LIMIT) != Err(RecvTimeoutError::Timeout) {
            return Vec::new();
        }
        let alive = watched.lock().expect("no panic");
        let hung: Vec<_> = alive.iter().map(|pid| (*pid, where_is(*pid))).collect();
        for pid in alive.iter() {
            let _ = kill(*pid, Signal::SIGKILL);
        }
        hung
    });

    let record = Record { first, ..Record::default() };
    let mut tracer = Tracer { alive, record, tracees: BTreeMap::new(), early: BTreeSet::new() };
    tracer.add(launcher, first);
    let mut faulted = false;
    tracer.run(&mut |call| {
        if faulted {
            return None;
        }
        let fault = fault(call);
        faulted = fault.is_some();
        fault
    });
    if let Some(daemon) = tracer.held() {
        if tracer.record.code() == Some(0) {
            at_body(&tracer.record);
        }
        let _ = kill(daemon, Signal::SIGKILL);
        while waitpid(daemon, Some(WaitPidFlag::__WALL)).is_ok_and(|status| !is_end(status)) {}
    }
    drop(done);
    let hung = watchdog.join().expect("no panic");
    let mut record = tracer.record;
    for (pid, place) in hung {
        if record.body && record.pids.get(&Role::Daemon) == Some(&pid.as_raw()) {
            continue;
        }
        let role = record.pids.iter().find(|(_, of)| **of == pid.as_raw()).map_or(Role::Other, |(role, _)| *role);
        record.hung.push(format!("{role:?} in {place}"));
    }
    record.stderr = fs::read_to_string(stderr).expect("what was written to stderr");
    record
}

struct Tracer {
    alive: Arc<Mutex<BTreeSet<Pid>>>,
    record: Record,
    tracees: BTreeMap<Pid, Tracee>,
    /// Children that stopped before their parent's fork was reported.
    early: BTreeSet<Pid>,
}

struct Tracee {
    role: Role,
    /// Whether its calls count: the launcher's do from `main` on.
    counts: bool,
    nth: usize,
    /// The call it is in: its place in the record, if it counts, and what shall become of it.
    inside: Option<(Option<usize>, Option<Fault>)>,
    held: bool,
}

impl Tracer {
    fn add(&mut self, pid: Pid, role: Role) {
        let counts = role != self.record.first;
        self.tracees.insert(pid, Tracee { role, counts, nth: 0, inside: None, held: false });
        self.record.pids.insert(role, pid.as_raw());
        self.alive.lock().expect("no panic").insert(pid);
    }

    fn held(&self) -> Option<Pid> {
        self.tracees.iter().find(|(_, tracee)| tracee.held).map(|(pid, _)| *pid)
    }

    fn run(&mut self, fault: &mut dyn FnMut(&Call) -> Option<Fault>) {
        while self.tracees.values().any(|tracee| !tracee.held) {
            // Only this thread's: other tests have children of their own.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let status = match waitpid(None, Some(flags)) {
                Ok(status) => status,
                Err(Errno::EINTR) => continue,
                Err(error) => panic!("waitpid: {error}"),
            };
            let pid = status.pid().expect("waitpid names the process");
            if is_end(status) {
                self.ended(pid, status);
            } else if !self.tracees.contains_key(&pid) {
                self.early.insert(pid);
            } else {
                self.stopped(pid, status, fault);
            }
        }
    }

    fn ended(&mut self, pid: Pid, status: WaitStatus) {
        self.early.remove(&pid);
        self.alive.lock().expect("no panic").remove(&pid);
        if let Some(tracee) = self.tracees.remove(&pid) {
            self.record.ends.insert(tracee.role, status);
        }
    }

    fn stopped(&mut self, pid: Pid, status: WaitStatus, fault: &mut dyn FnMut(&Call) -> Option<Fault>) {
        let mut signal = None;
        match status {
            WaitStatus::PtraceSyscall(_) => match self.at_call(pid, fault) {
                Some(()) => {}
                None => return,
            },
            WaitStatus::PtraceEvent(_, _, event) => {
                let forked = [Event::PTRACE_EVENT_FORK, Event::PTRACE_EVENT_VFORK, Event::PTRACE_EVENT_CLONE];
                if forked.iter().any(|fork| *fork as i32 == event) {
                    if let Ok(child) = ptrace::getevent(pid) {
                        self.forked(pid, Pid::from_raw(child as i32));
                    }
                }
            }
            // Exec of the launcher, which asked to be traced, and the stop that a new child begins with.
            WaitStatus::Stopped(_, Signal::SIGTRAP | Signal::SIGSTOP) => {
                let options = Options::PTRACE_O_TRACESYSGOOD
                    | Options::PTRACE_O_TRACEFORK
                    | Options::PTRACE_O_TRACEVFORK
                    | Options::PTRACE_O_TRACECLONE
                    | Options::PTRACE_O_TRACEEXEC
                    | Options::PTRACE_O_EXITKILL;
                let _ = ptrace::setoptions(pid, options);
            }
            WaitStatus::Stopped(_, other) => signal = Some(other),
            _ => {}
        }
        // ESRCH: killed meanwhile. Its end is still to come.
        let _ = ptrace::syscall(pid, signal);
    }

    fn forked(&mut self, parent: Pid, child: Pid) {
        let role = match self.tracees[&parent].role {
            Role::Client => Role::Launcher,
            Role::Launcher => Role::Leader,
            Role::Leader => Role::Daemon,
            Role::Daemon | Role::Other => Role::Other,
        };
        let role = if self.record.pids.contains_key(&role) { Role::Other } else { role };
        self.add(child, role);
        if self.early.remove(&child) {
            let _ = ptrace::syscall(child, None);
        }
    }

    /// Entry to a system call, or the return from it. `None` if the process shall not go on.
    fn at_call(&mut self, pid: Pid, fault: &mut dyn FnMut(&Call) -> Option<Fault>) -> Option<()> {
        let Ok(mut registers) = ptrace::getregs(pid) else {
            return Some(());
        };
        let tracee = self.tracees.get_mut(&pid).expect("a stop of a known process");
        if let Some((index, then)) = tracee.inside.take() {
            let result = match then {
                Some(Fault::Fail(error) | Fault::FailAfter(error)) => -i64::from(error as i32),
                Some(Fault::Return(value)) => value,
                _ => registers.rax as i64,
            };
            if then.is_some() {
                registers.rax = result as u64;
                let _ = ptrace::setregs(pid, registers);
            }
            if let Some(index) = index {
                self.record.calls[index].result = Some(result);
            }
            return Some(());
        }
        let first = registers.rdi;
        let number = registers.orig_rax as i64;
        let call = Call {
            role: tracee.role,
            pid: pid.as_raw(),
            nth: tracee.nth,
            number,
            arguments: [first, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9],
            result: None,
            closes_directory: number == SYS_close && Path::new(&format!("/proc/{pid}/fd/{first}")).is_dir(),
        };
        tracee.inside = Some((None, None));
        if call.is_mark(fixture::MAIN) {
            tracee.counts = true;
            return Some(());
        }
        if call.is_mark(fixture::BODY) {
            tracee.held = true;
            self.record.body = true;
            return None;
        }
        if !tracee.counts {
            return Some(());
        }
        tracee.nth += 1;
        let then = fault(&call);
        if then.is_some() {
            self.record.hit = Some(call.clone());
            self.record.hit_at = Some(self.record.calls.len());
        }
        if let Some(Fault::Fail(_) | Fault::Return(_)) = then {
            registers.orig_rax = u64::MAX;
            let _ = ptrace::setregs(pid, registers);
        }
        let at_exit = then.filter(|then| !matches!(then, Fault::Kill(_) | Fault::Terminate));
        tracee.inside = Some((Some(self.record.calls.len()), at_exit));
        self.record.calls.push(call);
        if let Some(Fault::Kill(victim)) = then {
            self.kill(victim);
        }
        if let Some(Fault::Terminate) = then {
            let _ = kill(pid, Signal::SIGTERM);
        }
        Some(())
    }

    /// Kills it and waits until it is dead, so that the others meet its death, and not its dying.
    fn kill(&mut self, victim: Role) {
        let Some(pid) = self.tracees.iter().find(|(_, tracee)| tracee.role == victim).map(|(pid, _)| *pid) else {
            return;
        };
        let _ = kill(pid, Signal::SIGKILL);
        while let Ok(status) = waitpid(pid, Some(WaitPidFlag::__WALL)) {
            if is_end(status) {
                return self.ended(pid, status);
            }
        }
    }
}

fn is_end(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..))
}

fn where_is(pid: Pid) -> String {
    let number = std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    let number = number.split(' ').next().and_then(|number| number.parse().ok());
    number.map_or_else(|| "its own code".into(), |number| call::name(number).into_owned())
}
