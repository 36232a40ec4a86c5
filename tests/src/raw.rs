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
use nix::unistd::{ForkResult, fork};

#[cfg(linux_alone)]
mod linux;

#[cfg(linux_alone)]
pub(crate) use linux::*;

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

/// Makes an open terminal the session's. On Linux and illumos a session leader's first one is that already, by being opened.
pub(crate) fn take_terminal(terminal: &std::fs::File) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the call takes numbers, and keeps nothing.
    Errno::result(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY as _, 0) })?;
    Ok(())
}

/// Whether a signal is ignored.
pub(crate) fn is_ignored(number: Signal) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: nothing is changed, and the current action is written whole if the call succeeds.
    unsafe {
        libc::sigaction(number as i32, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Whether a descriptor is open. nix wants one that certainly is.
pub(crate) fn is_open(fd: i32) -> bool {
    // SAFETY: a number that is not open is an error.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}

/// The supplementary groups of this process: nix has no getgroups(2) for macOS.
pub(crate) fn groups() -> Vec<u32> {
    let mut groups = vec![0; 65_536];
    // SAFETY: the call writes no more groups than there is room for.
    let count = unsafe { libc::getgroups(groups.len() as i32, groups.as_mut_ptr()) };
    groups.truncate(usize::try_from(count).expect("there is room for all"));
    groups
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
