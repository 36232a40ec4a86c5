//! System calls that nix does not wrap, or not on every system: with the files below `sys/`, the only unsafe code.
//!
//! They are named after their manual pages, and return nix's `Errno`. One file below `sys/` has what differs between systems.

#![allow(unsafe_code, clippy::disallowed_methods)]

use std::ffi::{CStr, OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::time::Duration;

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Gid, Pid, Uid};

// The file of this system, or else `sys/posix.rs`.
#[cfg_attr(all(target_os = "linux", not(daemon_portable)), path = "sys/linux.rs")]
#[cfg_attr(target_os = "macos", path = "sys/macos.rs")]
#[cfg_attr(
    any(target_os = "freebsd", target_os = "dragonfly", target_os = "netbsd", target_os = "openbsd"),
    path = "sys/bsd.rs"
)]
#[cfg_attr(target_os = "illumos", path = "sys/illumos.rs")]
mod posix;

pub(crate) use posix::*;

/// Repeats a call for as long as a signal interrupts it. For calls that wait; others are never interrupted.
pub(crate) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

// Processes

/// fork(2). The caller has made sure that there is one thread, or whoever has called that has promised that it does not matter.
pub(crate) fn fork() -> nix::Result<ForkResult> {
    // SAFETY: what makes fork unsafe is other threads, whose locks and half-done work the child would inherit without
    // them. `threads::refuse_threads` has refused such a process, and nothing between it and here starts a thread. With one
    // thread the child is a whole copy, in which everything is as sound as in the parent. `Daemon::start_with_threads` is unsafe,
    // and its caller promises that.
    unsafe { nix::unistd::fork() }
}

/// _exit(2): ends the process without its exit handlers and without flushing, for those who are not the daemon.
pub(crate) fn exit_now(code: c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// kill(2), also with the number of a real-time signal, or with 0.
pub(crate) fn kill(pid: Pid, signal: c_int) -> nix::Result<()> {
    // SAFETY: the call touches no memory.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
}

/// Returns whether there is such a process. One that may not be signalled lives.
pub(crate) fn lives(pid: Pid) -> bool {
    // In this order: one that is reaped between the two looks is gone at the second.
    !look_at_process(pid).is_some_and(|process| process.is_zombie) && kill(pid, 0) != Err(Errno::ESRCH)
}

/// What is seen of a process.
pub(crate) struct ProcessInfo {
    /// Its effective user.
    pub(crate) owner: libc::uid_t,
    /// When it has begun, in a unit of the system's own.
    pub(crate) start: u64,
    /// It has ended, and waits to be reaped.
    pub(crate) is_zombie: bool,
}

/// How a child ended. The number of a signal may be that of a real-time one, which nix's `WaitStatus` does not know.
#[derive(Clone, Copy, Debug)]
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

/// waitid(2) of a child that has ended, if one has. It is reaped, unless `flags` has WNOWAIT. With WNOHANG it does not wait.
pub(crate) fn waitid(children: Children, flags: c_int) -> nix::Result<Option<ExitStatus>> {
    let (kind, id) = match children {
        Children::One(pid) => (libc::P_PID, pid),
        Children::Group(pgid) => (libc::P_PGID, pgid),
    };
    // SAFETY: all zeros is a valid siginfo_t, and what it stays if no child has ended.
    let mut info: siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes no more than a siginfo_t.
    let mut call = || unsafe { libc::waitid(kind, id.as_raw() as libc::id_t, &mut info, libc::WEXITED | flags) };
    retry(|| Errno::result(call()))?;
    // SAFETY: waitid fills, or leaves at 0, just these members.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok(match (pid, info.si_code) {
        (0, _) => None,
        (_, libc::CLD_EXITED) => Some(ExitStatus::Exited(status)),
        (_, libc::CLD_KILLED | libc::CLD_DUMPED) => Some(ExitStatus::Killed(status)),
        // macOS 26 tells of children that are stopped, too.
        _ => None,
    })
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

/// fflush(3) of C's stdout and stderr, for C libraries that print before the daemon is ready.
///
/// Not of all streams: another thread that waits for input holds the lock of stdin for as long as it waits. A stream that
/// another thread holds is left to that thread.
pub(crate) fn flush_c_streams() -> nix::Result<()> {
    // Declared here because the libc crate lacks both.
    unsafe extern "C" {
        fn ftrylockfile(stream: *mut libc::FILE) -> c_int;
        fn funlockfile(stream: *mut libc::FILE);
    }
    c_streams().into_iter().try_for_each(|stream| {
        if stream.is_null() {
            return match count_threads() {
                // SAFETY: null stands for all streams, and no other thread holds one.
                Ok(1) => retry(|| Errno::result(unsafe { libc::fflush(stream) }).map(drop)),
                _ => Ok(()),
            };
        }
        // SAFETY: the stream is the C library's own; the lock is this thread's own, and may be taken once more by fflush.
        unsafe {
            if ftrylockfile(stream) != 0 {
                return Ok(());
            }
            let flushed = retry(|| Errno::result(libc::fflush(stream)).map(drop));
            funlockfile(stream);
            flushed
        }
    })
}

// Users and groups

/// getgrouplist(3): the groups of a user. musl names the first one twice if the group database does.
pub(crate) fn groups_of_user(user: &CStr, group: Gid) -> nix::Result<Vec<Gid>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 64];
    loop {
        let mut count = groups.len() as c_int;
        // SAFETY: the name ends with a NUL, and there is room for `count` groups. The ids of macOS are of the type int there,
        // which has the same size.
        let found =
            unsafe { libc::getgrouplist(user.as_ptr(), group.as_raw() as _, groups.as_mut_ptr().cast(), &mut count) };
        // musl fills what fits, and tells how many there are.
        if found >= 0 && count as usize <= groups.len() {
            groups.truncate(count as usize);
            break;
        }
        // Not every system says how many there are. Linux allows 65,536.
        if groups.len() > 1 << 16 {
            return Err(Errno::EINVAL);
        }
        groups.resize(groups.len() * 2, 0);
    }
    Ok(groups.into_iter().map(Gid::from_raw).collect())
}

/// getgroups(2).
pub(crate) fn groups() -> nix::Result<Vec<Gid>> {
    // SAFETY: with no room the call only counts.
    let count = Errno::result(unsafe { libc::getgroups(0, ptr::null_mut()) })?;
    let mut groups: Vec<libc::gid_t> = vec![0; count as usize];
    // SAFETY: there is room for `count` groups.
    let count = Errno::result(unsafe { libc::getgroups(count, groups.as_mut_ptr()) })?;
    groups.truncate(count as usize);
    Ok(groups.into_iter().map(Gid::from_raw).collect())
}

/// setgroups(2).
pub(crate) fn set_groups(groups: &[Gid]) -> nix::Result<()> {
    // SAFETY: the call touches no memory.
    let most = unsafe { libc::sysconf(libc::_SC_NGROUPS_MAX) };
    // macOS takes 16, and its users are in more. Its own initgroups(3) leaves out the rest too.
    let groups = groups.iter().take(usize::try_from(most).unwrap_or(usize::MAX));
    let groups: Vec<libc::gid_t> = groups.map(|group| group.as_raw()).collect();
    // SAFETY: the kernel reads as many groups as there are.
    Errno::result(unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) }).map(drop)
}

/// setgid(2), which sets the saved id too for whoever may set any; for a set-group-ID program setregid(2) does.
pub(crate) fn set_group(group: Gid) -> nix::Result<()> {
    // SAFETY: the calls take numbers.
    Errno::result(unsafe { libc::setgid(group.as_raw()) })?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::setregid(group.as_raw(), group.as_raw()) }).map(drop)
}

/// setuid(2), which sets the saved id too for whoever may set any; for a set-user-ID program setreuid(2) does.
pub(crate) fn set_user(user: Uid) -> nix::Result<()> {
    // SAFETY: the calls take numbers.
    Errno::result(unsafe { libc::setuid(user.as_raw()) })?;
    // SAFETY: as above.
    Errno::result(unsafe { libc::setreuid(user.as_raw(), user.as_raw()) }).map(drop)
}

// Descriptors

/// Standard output and error for those who must not lock Rust's.
// SAFETY: Rust opens 0 to 2 before main if they are closed, and nothing here closes them.
pub(crate) const STDOUT: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) };
// SAFETY: as above.
pub(crate) const STDERR: BorrowedFd<'static> = unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) };

/// fcntl(2) F_GETFD on a number that may not be open.
pub(crate) fn descriptor_flags(fd: RawFd) -> nix::Result<c_int> {
    // SAFETY: F_GETFD only reads a flag, and an unused number is an error.
    Errno::result(unsafe { libc::fcntl(fd, libc::F_GETFD) })
}

/// Calls `visit` with each number below the limit until `count` are open, where the system does not tell which.
pub(crate) fn visit_below_limit(count: usize, visit: &mut dyn FnMut(RawFd) -> bool) -> nix::Result<()> {
    // What was opened before the limit was lowered stays open, up to the hard limit, which may be in the millions.
    let (_, limit) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let end = RawFd::try_from(limit).unwrap_or(RawFd::MAX).min(1 << 20);
    (0..end).filter(|fd| visit(*fd)).take(count).for_each(drop);
    Ok(())
}

/// Calls `visit` with the numbers, from `first` on, that a directory lists, such as /proc/self/fd: in ascending order, as kernels go
/// through their tables.
#[allow(dead_code, reason = "not every system has such a directory")]
pub(crate) fn visit_listed(directory: &str, first: RawFd, visit: &mut dyn FnMut(RawFd) -> bool) -> nix::Result<()> {
    let entries = match retry(|| std::fs::read_dir(directory).map_err(|error| errno_of(&error))) {
        // In a new root, most likely.
        Err(Errno::ENOENT | Errno::EACCES) => return visit_below_limit(usize::MAX, visit),
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| errno_of(&error))?;
        numbers.extend(entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    for fd in numbers.into_iter().filter(|fd| *fd >= first) {
        visit(fd);
    }
    Ok(())
}

/// The errno(3) in an error of std.
pub(crate) fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EINVAL))
}

/// close(2) of a number that the process has inherited and not taken over, or that it leaves to nobody. It is closed whatever the
/// call returns: a file system may report there what it could not write, for whoever has written.
pub(crate) fn close_inherited(fd: RawFd) {
    // SAFETY: closing a descriptor under an object that owns it would be unsound. These have no owner: they were open
    // when the program started, and a program that makes such a number an object's says so, by `unsafe` of its own, and has to
    // set close-on-exec or name it in `keep_fds`, as the documentation asks: `step::descriptors` has left these out. Or the
    // process is the session leader, whose objects are never dropped.
    unsafe { libc::close(fd) };
}

/// Which file it is: device and inode, of 64 bits on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

/// What is needed of stat(3type). Its own type, because the calls of nix are of 32 bits on some machines: there they fail
/// for a file of 2 GiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileStatus {
    pub(crate) id: FileId,
    pub(crate) kind: libc::mode_t,
    pub(crate) permissions: libc::mode_t,
    pub(crate) names: u64,
    pub(crate) owner: libc::uid_t,
    pub(crate) is_empty: bool,
    /// Of a device: which one.
    pub(crate) number: u64,
}

/// A symbolic link's own status, and where it leads; `None` for one of the kernel's, such as /proc/self/fd/1, which leads to more
/// than its text says.
pub(crate) type Link = (FileStatus, Option<OsString>);

impl From<Stat> for FileStatus {
    // The types of the fields differ between systems.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn from(stat: Stat) -> Self {
        FileStatus {
            id: FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            kind: stat.st_mode & libc::S_IFMT,
            permissions: stat.st_mode & !libc::S_IFMT,
            names: stat.st_nlink as u64,
            owner: stat.st_uid,
            is_empty: stat.st_size == 0,
            number: stat.st_rdev as u64,
        }
    }
}

/// openat(2), with close-on-exec. A symbolic link that is not followed is ELOOP, whatever the system says.
/// Async-signal-safe for a name that ends with a NUL.
pub(crate) fn open_at<P: ?Sized + NixPath>(
    directory: BorrowedFd<'_>,
    name: &P,
    flags: OFlag,
    mode: Mode,
) -> nix::Result<OwnedFd> {
    match retry(|| openat(directory, name, flags | OFlag::O_CLOEXEC, mode)) {
        Err(LINK_NOT_FOLLOWED) => Err(Errno::ELOOP),
        opened => opened,
    }
}

/// fstat(2) of a number, which may not be open. Async-signal-safe.
pub(crate) fn file_status(fd: RawFd) -> nix::Result<FileStatus> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the kernel fills `stat` if the call succeeds; an unused number is an error.
    retry(|| Errno::result(unsafe { fstat(fd, stat.as_mut_ptr()) }))?;
    // SAFETY: as above.
    Ok(unsafe { stat.assume_init() }.into())
}

/// fstatat(2) of a name in a directory, which may be AT_FDCWD. A symbolic link is not followed. Async-signal-safe.
pub(crate) fn file_status_at(directory: BorrowedFd<'_>, name: &CStr) -> nix::Result<FileStatus> {
    let mut stat = MaybeUninit::uninit();
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: `name` ends with a NUL, and the kernel fills `stat` if the call succeeds.
    let mut call = || unsafe { fstatat(directory.as_raw_fd(), name.as_ptr(), stat.as_mut_ptr(), flags) };
    retry(|| Errno::result(call()))?;
    // SAFETY: as above.
    Ok(unsafe { stat.assume_init() }.into())
}

/// ftruncate(2) to nothing. Async-signal-safe.
pub(crate) fn truncate(fd: RawFd) -> nix::Result<()> {
    // SAFETY: the call touches no memory.
    retry(|| Errno::result(unsafe { libc::ftruncate(fd, 0) }).map(drop))
}

/// poll(2). The time is rounded up, so that the last millisecond is not spent in a loop, and cut at some weeks.
pub(crate) fn poll(polled: &mut [libc::pollfd], timeout: Duration) -> nix::Result<c_int> {
    let millis = timeout.as_nanos().div_ceil(1_000_000).min(c_int::MAX as u128) as c_int;
    // SAFETY: the kernel reads and writes just these entries.
    Errno::result(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) })
}

/// write(2) of one byte to a socket that does not block. Async-signal-safe.
pub(crate) fn write_byte(fd: RawFd, byte: u8) {
    // A socket that is full has been written to often enough.
    // SAFETY: the kernel reads one byte.
    unsafe { libc::write(fd, (&raw const byte).cast(), 1) };
}

// Memory

/// A value that a signal handler reads, and that can be replaced. What it has been is never freed.
pub(crate) struct Published<T>(AtomicPtr<T>);

impl<T: Sync> Published<T> {
    pub(crate) const fn nothing() -> Self {
        Published(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn publish(&self, value: T) {
        self.0.store(Box::into_raw(Box::new(value)), Ordering::Release);
    }

    /// Returns the value. Async-signal-safe.
    pub(crate) fn get(&self) -> Option<&'static T> {
        // SAFETY: the pointer is null, or that of a box which `publish` has filled before and nobody frees.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }

    /// Returns the value and publishes nothing any more. Async-signal-safe.
    pub(crate) fn withdraw(&self) -> Option<&'static T> {
        // SAFETY: as above.
        unsafe { self.0.swap(ptr::null_mut(), Ordering::AcqRel).as_ref() }
    }
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

/// Removes all variables of environ(7), and overwrites those not to keep where they stand. Most of them stand where exec has put
/// them, and that memory is what /proc/PID/environ and ps(1) show.
pub(crate) fn clear_env(is_kept: impl Fn(&[u8]) -> bool) {
    // SAFETY: as in `set_env` there is no other thread. The array ends with a null, and each string in it with a NUL; the
    // process may write to both. std copies what it returns; C code that has kept a pointer from getenv(3) to one of these
    // variables finds it empty and still ended by a NUL. A C library takes an array that begins with a null for an empty one.
    unsafe {
        let mut entry = environ();
        while !entry.is_null() && !(*entry).is_null() {
            let variable = std::slice::from_raw_parts_mut((*entry).cast::<u8>(), libc::strlen(*entry));
            if !is_kept(variable.split(|byte| *byte == b'=').next().unwrap_or_default()) {
                variable.fill(0);
            }
            entry = entry.add(1);
        }
        if !environ().is_null() {
            *environ() = ptr::null_mut();
        }
    }
}

// Signals

/// A signal's handler as SA_SIGINFO has it.
pub(crate) type Handler = extern "C" fn(c_int, *mut siginfo_t, *mut c_void);

/// sigaction(2) without a change. Async-signal-safe.
pub(crate) fn disposition(signal: c_int) -> nix::Result<libc::sigaction> {
    let mut now = MaybeUninit::uninit();
    // SAFETY: the kernel fills `now` if the call succeeds, and only then is it read.
    Errno::result(unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) })?;
    // SAFETY: as above.
    Ok(unsafe { now.assume_init() })
}

/// sigaction(2) with SIG_DFL or SIG_IGN. Async-signal-safe.
pub(crate) fn set_disposition(signal: c_int, disposition: libc::sighandler_t) -> nix::Result<()> {
    debug_assert!(disposition == libc::SIG_DFL || disposition == libc::SIG_IGN);
    set_action(signal, disposition, 0, &SigSet::empty())
}

/// sigaction(2) with an action that the process had before.
pub(crate) fn restore_action(signal: c_int, action: &libc::sigaction) -> nix::Result<()> {
    // SAFETY: the kernel has accepted this action before, and its handler, if it is one, lives as long as the program.
    Errno::result(unsafe { libc::sigaction(signal, action, ptr::null_mut()) }).map(drop)
}

/// sigaction(2) with one of this crate's three handlers, which are async-signal-safe: `launch::signal_socket::note`,
/// `step::signals::end` and `step::reopen::handle_sighup`.
pub(crate) fn set_handler(signal: Signal, handler: Handler) -> nix::Result<()> {
    // SA_RESTART, so that the program's own calls do not notice; SA_ONSTACK, so that it also runs on a full stack. That other
    // stack is of 8 KiB, and has no room for one handler within another.
    let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    let handled = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGCHLD];
    set_action(signal as c_int, handler as libc::sighandler_t, flags, &handled.into_iter().collect())
}

fn set_action(signal: c_int, handler: libc::sighandler_t, flags: c_int, mask: &SigSet) -> nix::Result<()> {
    // SAFETY: all zeros is a valid sigaction: the default action, an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_mask = *mask.as_ref();
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    // SAFETY: `handler` is SIG_DFL, SIG_IGN, or one of the functions that `set_handler` names.
    Errno::result(unsafe { libc::sigaction(signal, &action, ptr::null_mut()) }).map(drop)
}

/// Calls the handler that was there before ours, if it was one. Async-signal-safe as far as that one is.
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
