//! The only unsafe code of the tests.
#![allow(unsafe_code, clippy::disallowed_methods)]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

/// Runs `condition` in the child, between fork and exec.
pub(crate) fn before_exec(command: &mut Command, condition: impl FnMut() -> io::Result<()> + Send + Sync + 'static) {
    // SAFETY: the conditions of `hostile` make system calls, and take no lock that a thread could hold at the fork.
    unsafe { command.pre_exec(condition) };
}

/// Takes away what the tests were started with: descriptors above 2, ignored signals, and core files, which a daemon
/// would leave in `/`. The umask is `Family`'s.
pub(crate) fn begin_anew() -> io::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, getrlimit(Resource::RLIMIT_CORE)?.1)?;
    for number in Signal::iterator().filter(|number| !matches!(number, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the child has one thread and is about to exec, which resets every handler anyway.
        unsafe { signal(number, SigHandler::SigDfl) }?;
    }
    // Nothing is closed here: exec does it. One by one, since Linux has a call for all only from 5.11 on; and without a list,
    // which would allocate in a fork of a process with threads.
    for number in 3..4096 {
        // SAFETY: an open descriptor gets a flag that std sets for all that it opens, and an unused number is an error.
        unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    Ok(())
}

/// Ignores a signal, as a shell's `trap ""` does.
pub(crate) fn ignore(number: Signal) -> io::Result<()> {
    // SAFETY: no handler is installed, and none that somebody relies on is removed.
    unsafe { signal(number, SigHandler::SigIgn) }?;
    Ok(())
}

/// Handles a signal; the handler waits for the children that have ended, if there are any.
pub fn handle(number: i32) -> io::Result<()> {
    extern "C" fn reap(_: libc::c_int) {
        // SAFETY: waitpid is async-signal-safe, and needs no status.
        while unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) } > 0 {}
    }
    // SAFETY: the handler makes no other call. Without SA_RESTART, so that calls are interrupted.
    Errno::result(unsafe { libc::sigaction(number, &sigaction_of(reap), std::ptr::null_mut()) })?;
    Ok(())
}

fn sigaction_of(handler: extern "C" fn(libc::c_int)) -> libc::sigaction {
    // SAFETY: all zeros is a valid sigaction.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action
}

/// Sends a signal to this process; one without a name too.
pub(crate) fn raise(number: i32) -> io::Result<()> {
    // SAFETY: the number is checked by the call.
    Errno::result(unsafe { libc::raise(number) })?;
    Ok(())
}

/// What comes of the system calls from `first` to `last` from now on: seccomp(2).
pub(crate) fn forbid(first: u32, last: u32, action: u32) -> io::Result<()> {
    const LOAD_NUMBER: u32 = 0; // The first member of seccomp_data.
    let statement = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, LOAD_NUMBER),
        statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 0, 2, first),
        statement(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K, 1, 0, last),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, action),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, 0);
    nix::sys::prctl::set_no_new_privs()?;
    // SAFETY: the kernel copies the filter, which lives until the call returns.
    Errno::result(unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) })?;
    Ok(())
}

/// A child that holds every descriptor of its parent, does nothing and does not end by itself.
pub(crate) fn fork_holder() -> io::Result<()> {
    // SAFETY: the child only pauses.
    if let ForkResult::Child = unsafe { fork() }? {
        loop {
            nix::unistd::pause();
        }
    }
    Ok(())
}

/// A child as container libraries make it, by clone(2) itself: no handler of pthread_atfork(3) runs in it.
fn clone() -> io::Result<ForkResult> {
    let (flags, none) = (libc::SIGCHLD as libc::c_long, 0 as libc::c_long);
    let [first, second] = if cfg!(target_arch = "s390x") { [none, flags] } else { [flags, none] };
    // SAFETY: with these flags it is a fork; the fixture has one thread.
    let child = Errno::result(unsafe { libc::syscall(libc::SYS_clone, first, second, none, none, none) })?;
    Ok(if child == 0 { ForkResult::Child } else { ForkResult::Parent { child: Pid::from_raw(child as i32) } })
}

/// As [`fork_holder`], made by clone(2). In a session of its own, as it is to stay when its parent is killed.
pub(crate) fn clone_holder() -> io::Result<()> {
    if let ForkResult::Child = clone()? {
        nix::unistd::setsid()?;
        loop {
            nix::unistd::pause();
        }
    }
    Ok(())
}

/// A child that exits with what `code` returns, with all that a program does at its exit, and is waited for. Any code but
/// 0 is an error.
pub(crate) fn fork_exit(code: impl FnOnce() -> i32) -> io::Result<()> {
    // SAFETY: the fixture has one thread, so that the child may do what its parent may.
    match unsafe { fork() }? {
        ForkResult::Child => std::process::exit(code()),
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            end => Err(io::Error::other(format!("the child ends with {end:?}"))),
        },
    }
}

/// Closes every descriptor above 2, as old textbooks tell a daemon to do.
pub(crate) fn close_all() -> io::Result<()> {
    for fd in 3..1024 {
        // SAFETY: what is closed under its owner is what the test is about.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// A thread that waits for input in C's stdin, and so holds its lock.
pub(crate) fn read_c_stdin_in_a_thread() {
    unsafe extern "C" {
        fn getchar() -> libc::c_int;
    }
    // SAFETY: stdio locks stdin itself.
    std::thread::spawn(|| unsafe { getchar() });
    // Until it waits there: a thread in read(2) sleeps.
    let is_waiting = || {
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let mut calls = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("syscall")).ok());
        calls.any(|call| call.starts_with(&format!("{} ", libc::SYS_read))).then_some(())
    };
    crate::until("the thread reads", is_waiting);
}

/// Blocks a signal, as signalfd(2) needs it.
pub(crate) fn block(number: Signal) -> io::Result<()> {
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(number);
    Ok(set.thread_block()?)
}

/// Takes over a descriptor that the program was started with.
pub fn take_over(fd: i32) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: whoever started the program has opened it for that, and nothing else of the program knows of it.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }
}

/// `daemon.start_with_threads()`, where the other threads only sleep.
pub fn start_with_sleeping_threads(
    daemon: daemon_runtime::Daemon,
) -> Result<daemon_runtime::Ready, daemon_runtime::Error> {
    // SAFETY: a thread that sleeps holds no lock.
    unsafe { daemon.start_with_threads() }
}
