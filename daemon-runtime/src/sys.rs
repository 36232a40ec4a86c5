//! The only unsafe code: system calls that nix does not wrap safely, and what runs inside a signal handler.
//!
//! Linux calls are named after their manual pages. Each returns `nix`'s `Errno`, and is repeated after a signal: [`retry`].

#![allow(unsafe_code, clippy::disallowed_methods)]

use std::ffi::OsStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::poll::PollTimeout;
use nix::sys::signal::Signal;
use nix::sys::stat::FileStat;
use nix::unistd::{ForkResult, Pid};

/// Repeats a call for as long as a signal interrupts it.
pub(crate) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// fork(2). The caller has made sure that there is one thread.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: what makes fork unsafe is other threads, whose locks and half-done work the child would inherit without
    // them. `threads::refuse_threads` has refused such a process, and nothing between it and here starts a thread. With one
    // thread the child is a whole copy, in which everything is as sound as in the parent.
    retry(|| unsafe { nix::unistd::fork() })
}

/// _exit(2): ends the process without its exit handlers and without flushing, for those who are not the daemon.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// fflush(3) of all of C's output streams, for C libraries that print in `setup`.
pub(crate) fn flush_c_streams() -> nix::Result<()> {
    // SAFETY: a null stream means all of them; stdio locks each itself.
    retry(|| Errno::result(unsafe { libc::fflush(ptr::null_mut()) }).map(drop))
}

/// atexit(3).
pub(crate) fn at_exit(handler: extern "C" fn()) -> nix::Result<()> {
    // SAFETY: the handler is a plain function that lives as long as the program.
    match unsafe { libc::atexit(handler) } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

/// pthread_atfork(3), for the child alone.
pub(crate) fn at_fork_in_child(handler: extern "C" fn()) -> nix::Result<()> {
    type Function = Option<extern "C" fn()>;
    // Declared here because the libc crate has it only since 2026.
    unsafe extern "C" {
        fn pthread_atfork(prepare: Function, parent: Function, child: Function) -> c_int;
    }
    // SAFETY: the declaration is POSIX's; the handler is a plain function that lives as long as the program.
    match unsafe { pthread_atfork(None, None, Some(handler)) } {
        0 => Ok(()),
        errno => Err(Errno::from_raw(errno)),
    }
}

/// unshare(2) with CLONE_THREAD alone changes nothing; the kernel refuses it (EINVAL) to a process with threads.
pub(crate) fn unshare_nothing() -> nix::Result<()> {
    // SAFETY: with this flag alone the call has no effect but its result.
    retry(|| Errno::result(unsafe { libc::unshare(libc::CLONE_THREAD) }).map(drop))
}

/// PR_GET_SECCOMP(2const): whether a filter decides which system calls this process may make.
pub(crate) fn has_seccomp_filter() -> bool {
    // SAFETY: the operation takes no pointer and changes nothing.
    let mode = Errno::result(unsafe { libc::prctl(libc::PR_GET_SECCOMP) });
    // EINVAL: a kernel without seccomp(2). Any other error is a filter's.
    !matches!(mode, Ok(0) | Err(Errno::EINVAL))
}

// Descriptors

/// close_range(2) of `first..=last`, descriptors that the process inherited and has not taken over.
pub(crate) fn close_inherited(first: RawFd, last: RawFd) -> nix::Result<()> {
    // SAFETY: closing a descriptor under an object that owns it would be unsound. These have no owner: they were open
    // when the program started, and `step::descriptors` has left out those that it has taken over since.
    unsafe { close_range(first, last) }
}

unsafe fn close_range(first: RawFd, last: RawFd) -> nix::Result<()> {
    // SAFETY: the call touches no memory; what is closed is the caller's to close.
    let call = || unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    retry(|| Errno::result(call()).map(drop))
}

/// Closes one descriptor for certain.
///
/// Whether a close(2) that failed has closed is not said; a close_range(2) that failed has not, so that close can follow.
pub(crate) fn close(fd: OwnedFd) -> nix::Result<()> {
    let number = fd.as_raw_fd();
    // SAFETY: `fd` is owned here. If this fails it is still open, and goes to close(2); if not, `into_raw_fd` forgets it,
    // so that it is not closed twice.
    match unsafe { close_range(number, number) } {
        Ok(()) => {
            let _closed = fd.into_raw_fd();
            Ok(())
        }
        Err(_) => nix::unistd::close(fd),
    }
}

/// Standard output and error for those who must not lock Rust's.
// SAFETY: Rust opens 0 to 2 before main if they are closed, and nothing here closes them.
pub(crate) const STDOUT: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) };
// SAFETY: as above.
pub(crate) const STDERR: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) };

/// fcntl(2) F_GETFD on a number that may not be open.
pub(crate) fn descriptor_flags(fd: RawFd) -> nix::Result<c_int> {
    // SAFETY: F_GETFD only reads a flag, and an unused number is an error.
    retry(|| Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) }))
}

/// Which file it is: device and inode, of 64 bits on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl From<&FileStat> for FileId {
    // On some machines the fields are of 32 bits.
    #[allow(clippy::useless_conversion)]
    fn from(stat: &FileStat) -> Self {
        FileId { device: stat.st_dev.into(), inode: stat.st_ino.into() }
    }
}

impl std::fmt::Display for FileId {
    /// As systemd writes it in JOURNAL_STREAM.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)
    }
}

/// Which file a number refers to, which may not be open: fstat(2). Async-signal-safe.
pub(crate) fn file_id(fd: RawFd) -> nix::Result<FileId> {
    // SAFETY: the number is only used for this one call, which fails for one that is not open.
    let stat = retry(|| nix::sys::stat::fstat(unsafe { BorrowedFd::borrow_raw(fd) }))?;
    Ok(FileId::from(&stat))
}

/// ftruncate(2) to nothing of a file that is never closed; async-signal-safe.
pub(crate) fn truncate(fd: RawFd) -> nix::Result<()> {
    // SAFETY: the call touches no memory.
    retry(|| Errno::result(unsafe { libc::ftruncate(fd, 0) }).map(drop))
}

/// fcntl(2) F_OFD_SETLK: marks a file by a lock on its first byte, which is independent of flock(2).
pub(crate) fn mark(fd: &OwnedFd) -> nix::Result<()> {
    retry(|| fcntl(fd, FcntlArg::F_OFD_SETLK(&first_byte())).map(drop))
}

/// fcntl(2) F_OFD_GETLK: whether somebody else has marked the file.
pub(crate) fn is_marked(fd: &OwnedFd) -> nix::Result<bool> {
    let mut lock = first_byte();
    retry(|| fcntl(fd, FcntlArg::F_OFD_GETLK(&mut lock)))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

fn first_byte() -> libc::flock {
    // SAFETY: all zeros is a valid flock, which has only numbers in it.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_len = 1;
    lock
}

/// fcntl(2) F_SETOWN: this process gets SIGIO for a descriptor that has O_ASYNC.
pub(crate) fn own_signals_of(fd: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: the command takes a pid by value and touches no memory.
    let call = || unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    retry(|| Errno::result(call()).map(drop))
}

/// A time for poll(2): rounded up, so that the last millisecond is not spent in a loop, and cut at some weeks.
pub(crate) fn poll_timeout(left: Duration) -> PollTimeout {
    let millis = left.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
    PollTimeout::try_from(millis as i32).unwrap_or(PollTimeout::MAX)
}

/// Whether the other end of a socket is closed; async-signal-safe.
pub(crate) fn hung_up(fd: RawFd) -> bool {
    let mut poll = libc::pollfd { fd, events: 0, revents: 0 };
    // SAFETY: one valid entry, on this stack. With no time to wait there is nothing to interrupt.
    unsafe { libc::poll(&mut poll, 1, 0) == 1 && poll.revents & libc::POLLHUP != 0 }
}

/// socketpair(2) of the type that keeps messages apart and tells when the other end is closed.
pub(crate) fn socket_pair() -> nix::Result<(UnixStream, UnixStream)> {
    let mut ends = [0; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two descriptors.
    retry(|| Errno::result(unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()) }))?;
    // SAFETY: the kernel has just made them, and nobody else knows them.
    let [near, far] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    Ok((near.into(), far.into()))
}

// Processes

/// pidfd_open(2).
pub(crate) fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: the call touches no memory.
    let fd = retry(|| Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }))?;
    // SAFETY: the kernel has just made this descriptor (an int, close-on-exec), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// pidfd_send_signal(2).
pub(crate) fn pidfd_send_signal(process: BorrowedFd<'_>, signal: c_int) -> nix::Result<()> {
    let (call, fd) = (libc::SYS_pidfd_send_signal, process.as_raw_fd());
    // SAFETY: a null siginfo asks for the one that kill(2) would send.
    retry(|| Errno::result(unsafe { libc::syscall(call, fd, signal, ptr::null::<siginfo_t>(), 0) }).map(drop))
}

/// How a child ended. The number of a signal may be that of a real-time one, which nix's `WaitStatus` does not know.
#[derive(Clone, Copy)]
pub(crate) enum ExitStatus {
    Exited(c_int),
    Killed(c_int),
}

/// Which children [`waitid`] looks for.
#[derive(Clone, Copy)]
pub(crate) enum Children {
    One(Pid),
    Group(Pid),
}

/// waitid(2) of a child that has ended, if one has. It is reaped, unless `flags` has WNOWAIT.
pub(crate) fn waitid(children: Children, flags: c_int) -> nix::Result<Option<ExitStatus>> {
    let (kind, id) = match children {
        Children::One(pid) => (libc::P_PID, pid),
        Children::Group(pgid) => (libc::P_PGID, pgid),
    };
    // SAFETY: all zeros is a valid siginfo_t, and what it stays if no child has ended.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    let flags = libc::WEXITED | libc::WNOHANG | flags;
    // SAFETY: the kernel writes no more than a siginfo_t.
    retry(|| Errno::result(unsafe { libc::waitid(kind, id.as_raw() as libc::id_t, &mut info, flags) }))?;
    // SAFETY: waitid fills, or leaves at 0, just these members.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(match (pid, info.si_code) {
        (0, _) => None,
        (_, libc::CLD_EXITED) => Some(ExitStatus::Exited(status)),
        _ => Some(ExitStatus::Killed(status)),
    })
}

/// Clears all three capability sets of this thread, and with them the ambient set: capset(2).
pub(crate) fn drop_capabilities() -> nix::Result<()> {
    let header = capability_header();
    let none = [0_u32; 6];
    // SAFETY: version 3 of the header takes two structs of three 32 bit words, which `none` is.
    retry(|| Errno::result(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) }).map(drop))
}

/// Whether this thread has any capability, effective, permitted or inheritable: capget(2).
pub(crate) fn has_capabilities() -> nix::Result<bool> {
    let mut header = capability_header();
    let mut sets = [0_u32; 6];
    // SAFETY: as in `drop_capabilities`, and the kernel writes no more than the two structs.
    let mut call = || unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    retry(|| Errno::result(call()).map(drop))?;
    Ok(sets.iter().any(|set| *set != 0))
}

/// Leaves the session keyring, keyrings(7), and with it the keys of whoever started the process: keyctl(2).
pub(crate) fn join_new_session_keyring() -> nix::Result<()> {
    let call = || {
        // SAFETY: a null name asks for a keyring without one.
        unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, ptr::null::<libc::c_char>()) }
    };
    match retry(|| Errno::result(call()).map(drop)) {
        // A kernel without keyrings, or a container that forbids them: then nobody has put a key there either.
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => Ok(()),
        joined => joined,
    }
}

/// `struct __user_cap_header_struct`: _LINUX_CAPABILITY_VERSION_3, and 0 for this thread.
fn capability_header() -> [u32; 2] {
    [0x2008_0522, 0]
}

// Environment

/// Sets or removes an environment variable.
pub(crate) fn set_env(name: &OsStr, value: Option<&OsStr>) {
    match value {
        // SAFETY: other threads could be reading the environment. `threads::refuse_threads` has made sure that there are none,
        // and the body, which may start some, has not begun.
        Some(value) => unsafe { std::env::set_var(name, value) },
        // SAFETY: as above.
        None => unsafe { std::env::remove_var(name) },
    }
}

/// Removes all environment variables, also those that are none by the rules: clearenv(3).
pub(crate) fn clear_env() {
    // SAFETY: as in `set_env`. The call fails only if there is no memory, which it does not need here.
    unsafe { libc::clearenv() };
}

// Signals

/// A signal's handler as SA_SIGINFO has it.
pub(crate) type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// sigaction(2) without a change; async-signal-safe.
pub(crate) fn disposition(signal: c_int) -> nix::Result<libc::sigaction> {
    let mut now = MaybeUninit::uninit();
    // SAFETY: the kernel fills `now` if the call succeeds, and only then is it read.
    retry(|| Errno::result(unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) }).map(drop))?;
    // SAFETY: as above.
    Ok(unsafe { now.assume_init() })
}

/// sigaction(2) with SIG_DFL or SIG_IGN; async-signal-safe.
pub(crate) fn set_disposition(signal: c_int, disposition: libc::sighandler_t) -> nix::Result<()> {
    debug_assert!(disposition == libc::SIG_DFL || disposition == libc::SIG_IGN);
    set_action(signal, disposition, 0)
}

/// Sets a signal to its default if it is ignored.
///
/// The bare system call, because glibc hides the two signals that it keeps for its threads (32 and 33), although
/// posix_spawn(3) leaves the first ignored in the programs that it starts.
pub(crate) fn stop_ignoring(signal: c_int) -> nix::Result<()> {
    // `struct sigaction` of the kernel begins with the handler; all zeros is SIG_DFL without flags and mask. Not so on
    // MIPS, where the kernel refuses this size of the set.
    let (default, mut now) = ([0_usize; 8], [0_usize; 8]);
    let set_size = 8_usize;
    let call = libc::SYS_rt_sigaction;
    // SAFETY: without a new action the kernel only fills `now`, which is larger than its struct.
    let mut ask = || unsafe { libc::syscall(call, signal, ptr::null::<usize>(), now.as_mut_ptr(), set_size) };
    retry(|| Errno::result(ask()).map(drop))?;
    if now[0] != libc::SIG_IGN {
        return Ok(());
    }
    // SAFETY: the kernel only reads `default`; the default action runs no code of this process.
    let set = || unsafe { libc::syscall(call, signal, default.as_ptr(), ptr::null_mut::<usize>(), set_size) };
    retry(|| Errno::result(set()).map(drop))
}

/// sigaction(2) with one of this crate's three handlers, which are async-signal-safe: `launch::daemon::end_without_launcher`,
/// `step::termination::end` and `step::reopen::reopen`.
pub(crate) fn set_handler(signal: Signal, handler: Handler) -> nix::Result<()> {
    // SA_RESTART, so that the program's own calls do not notice; SA_ONSTACK, so that it also runs on a full stack.
    set_action(signal as c_int, handler as libc::sighandler_t, libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK)
}

fn set_action(signal: c_int, handler: libc::sighandler_t, flags: c_int) -> nix::Result<()> {
    // SAFETY: all zeros is a valid sigaction: the default action, an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: `handler` is SIG_DFL, SIG_IGN, or one of the functions that `set_handler` names.
    retry(|| Errno::result(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) }).map(drop))
}

/// Calls the handler that was there before ours, if it was one; async-signal-safe as far as that one is.
pub(crate) fn call_handler(before: &libc::sigaction, signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    if before.sa_sigaction == libc::SIG_DFL || before.sa_sigaction == libc::SIG_IGN {
        return;
    }
    // SAFETY: the kernel accepted this address as a handler of the kind that its flags say.
    unsafe {
        if before.sa_flags & libc::SA_SIGINFO != 0 {
            std::mem::transmute::<libc::sighandler_t, Handler>(before.sa_sigaction)(signal, info, context);
        } else {
            std::mem::transmute::<libc::sighandler_t, extern "C" fn(c_int)>(before.sa_sigaction)(signal);
        }
    }
}

/// SIGKILL to this process and all of its group; async-signal-safe.
pub(crate) fn kill_own_group() -> ! {
    // SAFETY: no memory is involved.
    unsafe {
        libc::kill(0, libc::SIGKILL);
        libc::_exit(libc::EXIT_FAILURE)
    }
}
