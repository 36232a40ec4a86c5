//! Where the steps of a launch begin: at which system calls of which process; and how a process is stopped there.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
#[cfg(target_arch = "x86_64")]
use nix::libc::SYS_dup2 as DUP;
#[cfg(not(target_arch = "x86_64"))]
use nix::libc::SYS_dup3 as DUP;
use nix::libc::{
    BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP,
    PTRACE_SYSCALL_INFO_EXIT, SECCOMP_MODE_FILTER, SECCOMP_RET_ALLOW, SECCOMP_RET_TRACE, SYS_clock_nanosleep,
    SYS_clone, SYS_exit_group, SYS_fchdir, SYS_fcntl, SYS_geteuid, SYS_getpid, SYS_getppid, SYS_getsockopt, SYS_openat,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_sendto, SYS_setsid, SYS_socketpair, SYS_umask, prctl,
    ptrace_syscall_info, sock_filter, sock_fprog,
};
use nix::sys::ptrace;
use nix::sys::signal::{Signal, raise};
use nix::unistd::{ForkResult, Pid, fork, getppid};

/// The system call that begins a step. Marks come in their order, and all do but those of a step that is left out.
#[derive(Clone, Copy)]
pub struct Mark {
    call: i64,
    /// The value of the first argument that tells it from other calls.
    argument: Option<u32>,
    can_be_left_out: bool,
    /// Empty where the last step ends.
    pub name: &'static str,
}

const fn mark(call: i64, name: &'static str) -> Mark {
    Mark { call, argument: None, can_be_left_out: false, name }
}

/// The marks of launcher, session leader and daemon. The first one of each is its begin.
pub fn marks(first_inherited: u32) -> [Vec<Mark>; 3] {
    // One of many calls of sigaction(2), told apart by its signal.
    let sighup = Mark { argument: Some(Signal::SIGHUP as u32), ..mark(SYS_rt_sigaction, "") };
    let optional = |mark| Mark { can_be_left_out: true, ..mark };
    let launcher = vec![
        mark(-1, "the program begins: loader, Rust's runtime"),
        mark(SYS_getppid, "1 list the inherited descriptors"),
        Mark { name: "2, 3 look at the inherited signals", ..sighup },
        mark(SYS_openat, "9, 11 open `/dev/null` and the directory"),
        mark(SYS_rt_sigprocmask, "3 block signals"),
        optional(mark(SYS_geteuid, "12 lock the pid file")),
        Mark { argument: Some(first_inherited), ..mark(SYS_fcntl, "1 close the inherited descriptors") },
        mark(SYS_socketpair, "5 fork"),
        mark(SYS_rt_sigprocmask, "14 wait for the daemon"),
        mark(SYS_exit_group, "15 exit"),
    ];
    let session_leader = vec![
        mark(-1, "5 begin"),
        mark(SYS_setsid, "6 setsid"),
        mark(SYS_clone, "7 fork again"),
        mark(SYS_sendto, "8 tell the daemon's pid, exit"),
    ];
    let daemon = vec![
        mark(-1, "7 begin"),
        mark(SYS_umask, "10 set the umask"),
        mark(SYS_fchdir, "11 change the directory"),
        mark(DUP, "9 switch stdin"),
        mark(SYS_getpid, "2, 4 signals and environment"),
        optional(Mark { name: "12 handle termination, write the pid file", ..sighup }),
        mark(SYS_rt_sigprocmask, "3 reset the signal mask"),
        mark(SYS_getsockopt, "9 switch stdout and stderr"),
        mark(SYS_sendto, "14 tell that it is ready, wait for the launcher"),
        mark(SYS_openat, ""),
    ];
    [launcher, session_leader, daemon]
}

/// What a body ends with: there it is noticed if its begin was not.
pub const BODY_SLEEPS: i64 = SYS_clock_nanosleep;

/// A step that has to be there and was not seen.
pub fn missing<T>(marks: &[Vec<Mark>], seen: &BTreeMap<(usize, usize), T>) -> Option<&'static str> {
    let steps = |process: usize| (0..marks[process].len()).map(move |step| (process, step));
    let is_missing = |at: &(usize, usize)| {
        let mark = marks[at.0][at.1];
        !mark.can_be_left_out && !mark.name.is_empty() && !seen.contains_key(at)
    };
    (0..marks.len()).flat_map(steps).find(is_missing).map(|at| marks[at.0][at.1].name)
}

/// Which of the next marks a call is.
pub fn begun(next: &[Mark], call: i64, arguments: [u64; 6]) -> Option<usize> {
    let is_it = |mark: &Mark| mark.call == call && mark.argument.is_none_or(|value| value == arguments[0] as u32);
    let possible = next.iter().take_while(|mark| mark.can_be_left_out).count() + 1;
    next.iter().take(possible).position(is_it)
}

/// A program for seccomp(2) that stops at the marks.
pub fn filter(marks: &[Vec<Mark>]) -> Vec<sock_filter> {
    let load = |offset| sock_filter { code: (BPF_LD | BPF_W | BPF_ABS) as u16, jt: 0, jf: 0, k: offset };
    // Goes on if it is equal, and otherwise to the next mark.
    let equal = |k, skipped| sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: 0, jf: skipped, k };
    let end = |how| sock_filter { code: (BPF_RET | BPF_K) as u16, jt: 0, jf: 0, k: how };
    let mut calls: Vec<_> = marks.iter().flatten().map(|mark| (mark.call as u32, mark.argument)).collect();
    calls.push((BODY_SLEEPS as u32, None));
    calls.sort_unstable();
    calls.dedup();
    // Of struct seccomp_data: the number, at 0, and the lower half of the first argument.
    let argument = if cfg!(target_endian = "little") { 16 } else { 20 };
    let program = calls.iter().flat_map(|(call, value)| match value {
        Some(value) => vec![load(0), equal(*call, 3), load(argument), equal(*value, 1), end(SECCOMP_RET_TRACE)],
        None => vec![load(0), equal(*call, 1), end(SECCOMP_RET_TRACE)],
    });
    program.chain([end(SECCOMP_RET_ALLOW)]).collect()
}

fn install(program: &[sock_filter]) -> nix::Result<()> {
    let program = sock_fprog { len: program.len() as u16, filter: program.as_ptr().cast_mut() };
    // SAFETY: the program is valid during the calls, which do not keep it.
    Errno::result(unsafe { prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    // SAFETY: the same.
    Errno::result(unsafe { prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &raw const program) })?;
    Ok(())
}

/// The number and the arguments of a system call that a process is stopped at, or nothing at its end.
pub fn entered(info: &ptrace_syscall_info) -> Option<(i64, [u64; 6])> {
    if info.op == PTRACE_SYSCALL_INFO_EXIT {
        return None;
    }
    // SAFETY: where a call is entered the kernel has filled these in, in the same places for ptrace(2) and seccomp(2).
    Some(unsafe { (info.u.entry.nr as i64, info.u.entry.args) })
}

/// Has the command stop for its parent: behind execve(2), and at what the filter says, if there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "ptrace and prctl are async-signal-safe, and the filter is there already"
)]
pub fn under_trace(command: &mut Command, filter: Vec<sock_filter>) -> &mut Command {
    let begin = move || {
        ptrace::traceme()?;
        if !filter.is_empty() {
            install(&filter)?;
        }
        Ok(())
    };
    // SAFETY: it neither allocates nor locks.
    unsafe { command.pre_exec(begin) }
}

/// The marks of a process whose every step is one call.
pub fn empty(steps: usize) -> Vec<Mark> {
    [mark(-1, "begin")].into_iter().chain(vec![mark(SYS_getppid, "empty"); steps]).collect()
}

/// Starts that process.
#[expect(clippy::disallowed_methods, reason = "the child makes system calls alone")]
pub fn fork_empty(marks: &[Vec<Mark>]) -> nix::Result<Pid> {
    let filter = filter(marks);
    // SAFETY: the child neither allocates nor locks.
    match unsafe { fork()? } {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let begun = ptrace::traceme().and_then(|()| raise(Signal::SIGSTOP)).and_then(|()| install(&filter));
            for _ in &marks[0][1..] {
                getppid();
            }
            // SAFETY: it does not return.
            unsafe { nix::libc::_exit(begun.is_err().into()) }
        }
    }
}
