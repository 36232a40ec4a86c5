//! The only unsafe code: system calls that nix does not wrap safely.
//!
//! They are named after their manual pages, and return `nix`'s `Errno`. Those that may wait are repeated after a signal: [`retry`].

#![allow(unsafe_code, clippy::disallowed_methods)]

use std::ffi::{CStr, OsStr};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{self, c_int, c_void, siginfo_t};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{ForkResult, Gid, Pid};

use crate::procfs;

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

/// fflush(3) of C's stdout and stderr, for C libraries that print before the daemon is ready.
///
/// Not of all streams: another thread that waits for input holds the lock of stdin for as long as it waits. A stream that
/// another thread holds is left to that thread.
pub(crate) fn flush_c_streams() -> nix::Result<()> {
    // Declared here because the libc crate has none of them.
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
        static stderr: *mut libc::FILE;
        fn ftrylockfile(stream: *mut libc::FILE) -> c_int;
        fn funlockfile(stream: *mut libc::FILE);
    }
    // SAFETY: the C library has set both before main, and nothing in this process sets them anew.
    let streams = unsafe { [stdout, stderr] };
    streams.into_iter().try_for_each(|stream| {
        // SAFETY: the stream is valid as above; the lock is this thread's own, and may be taken once more by fflush.
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

/// atexit(3).
pub(crate) fn at_exit(handler: extern "C" fn()) -> nix::Result<()> {
    // SAFETY: the handler is a plain function that lives as long as the program.
    match unsafe { libc::atexit(handler) } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

/// on_exit(3): a handler that is told the exit code. Other C libraries than glibc lack it, and there nobody is told.
#[cfg(target_env = "gnu")]
pub(crate) fn at_exit_with_code(handler: extern "C" fn(c_int, *mut c_void)) -> nix::Result<()> {
    unsafe extern "C" {
        fn on_exit(handler: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
    }
    // SAFETY: the declaration is glibc's; the handler is a plain function that lives as long as the program.
    match unsafe { on_exit(handler, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(Errno::ENOMEM),
    }
}

#[cfg(not(target_env = "gnu"))]
pub(crate) fn at_exit_with_code(_: extern "C" fn(c_int, *mut c_void)) -> nix::Result<()> {
    Ok(())
}

/// Microseconds of CLOCK_MONOTONIC. Async-signal-safe.
pub(crate) fn monotonic_microseconds() -> u64 {
    // SAFETY: all zeros is a valid timespec.
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills `now`. Every Linux has this clock, so that the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
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

/// getgrouplist(3): the groups of a user, each once. nix's ends at the C library's NGROUPS_MAX, which is 32 in musl.
pub(crate) fn groups_of_user(user: &CStr, group: Gid) -> nix::Result<Vec<Gid>> {
    let mut groups = vec![group.as_raw(); 64];
    loop {
        let size = groups.len();
        let mut count = size as c_int;
        // SAFETY: the name ends with a NUL, and there is room for `count` groups.
        let found = unsafe { libc::getgrouplist(user.as_ptr(), group.as_raw(), groups.as_mut_ptr(), &mut count) };
        groups.resize(count as usize, group.as_raw());
        match count as usize > size {
            // Now there is room for all of them.
            true => {}
            false if found < 0 => return Err(Errno::last()),
            false => break,
        }
    }
    let mut unique = Vec::new();
    for gid in groups.into_iter().map(Gid::from_raw) {
        // musl names the first one twice if the group database does.
        if !unique.contains(&gid) {
            unique.push(gid);
        }
    }
    Ok(unique)
}

/// What the C library knows of threads: glibc's `__libc_single_threaded`, since 2.32. Once there was a thread it may say no
/// for ever.
pub(crate) fn is_single_threaded_to_libc() -> bool {
    // Looked up once: the daemon, which asks again, would have to read in all that the lookup touches.
    static VARIABLE: AtomicPtr<libc::c_char> = AtomicPtr::new(ptr::null_mut());
    if VARIABLE.load(Ordering::Relaxed).is_null() {
        // SAFETY: the name ends with a NUL.
        let variable = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__libc_single_threaded".as_ptr()) };
        VARIABLE.store(variable.cast(), Ordering::Relaxed);
    }
    // SAFETY: the pointer is null, or that of a char that only the C library writes; a thread that could make it do so at
    // this moment does not exist where it says yes.
    unsafe { VARIABLE.load(Ordering::Relaxed).as_ref().is_some_and(|variable| *variable != 0) }
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

/// close_range(2) of `first..=last`, descriptors that the process inherited and has not taken over; or close(2) of each, where
/// the kernel or a filter lacks that call.
pub(crate) fn close_inherited(first: RawFd, last: RawFd) -> nix::Result<()> {
    // SAFETY: closing a descriptor under an object that owns it would be unsound. These have no owner: they were open
    // when the program started, and a program that makes such a number an object's says so, by `unsafe` of its own, and has to
    // set close-on-exec or name it in `keep_fds`, as the documentation asks: `step::descriptors` has left these out.
    match unsafe { close_range(first, last) } {
        Err(Errno::ENOSYS | Errno::EPERM) => (first..=last).try_for_each(|fd| {
            // SAFETY: as above.
            match Errno::result(unsafe { libc::close(fd) }) {
                // A file system may report here what it could not write, for whoever has written. It is closed all the same.
                Err(errno) if descriptor_flags(fd).is_ok() => Err(errno),
                _ => Ok(()),
            }
        }),
        closed => closed,
    }
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
        Err(_) => match nix::unistd::close(fd) {
            // It is closed all the same: close(2).
            Err(Errno::EINTR) => Ok(()),
            closed => closed,
        },
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

/// fcntl(2) F_OFD_GETLK on a number that may not be open: who holds a record lock on any part of its file, by another opening
/// of it or, in the old way of F_SETLK, by this one. The pid is that of one of them, or -1 where it is not said.
pub(crate) fn record_lock_holder(fd: RawFd) -> nix::Result<Option<Pid>> {
    let mut lock = lock_of(0);
    lock.l_len = 0;
    // SAFETY: the command fills `lock`, and an unused number is an error.
    match retry(|| Errno::result(unsafe { libc::fcntl(fd, libc::F_OFD_GETLK, &mut lock) })) {
        Ok(_) => Ok(Some(Pid::from_raw(lock.l_pid)).filter(|_| lock.l_type != libc::F_UNLCK as libc::c_short)),
        // Or it is of O_PATH, by which nothing can be locked.
        Err(Errno::EBADF) => descriptor_flags(fd).map(|_| None),
        Err(errno) => Err(errno),
    }
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
    pub(crate) names: u64,
    pub(crate) owner: libc::uid_t,
    pub(crate) group: libc::gid_t,
    pub(crate) is_empty: bool,
    pub(crate) is_setgid: bool,
    /// A directory in which everybody may create, and each may remove his own: /tmp.
    pub(crate) is_sticky_for_all: bool,
}

impl FileId {
    /// Returns a number that stands for it where there is room for one only.
    pub(crate) fn digest(self) -> usize {
        (self.inode ^ self.device.rotate_left(16)) as usize
    }
}

impl From<&std::fs::Metadata> for FileId {
    fn from(metadata: &std::fs::Metadata) -> Self {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl From<libc::stat64> for FileStatus {
    // On some machines the fields are of 32 bits.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn from(stat: libc::stat64) -> Self {
        FileStatus {
            id: FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
            kind: stat.st_mode & libc::S_IFMT,
            names: stat.st_nlink as u64,
            owner: stat.st_uid,
            group: stat.st_gid,
            is_empty: stat.st_size == 0,
            is_setgid: stat.st_mode & libc::S_ISGID != 0,
            is_sticky_for_all: stat.st_mode & (libc::S_ISVTX | libc::S_IWOTH) == libc::S_ISVTX | libc::S_IWOTH,
        }
    }
}

/// fstat(2) of a number, which may not be open. Async-signal-safe.
pub(crate) fn file_status(fd: RawFd) -> nix::Result<FileStatus> {
    let mut stat = MaybeUninit::uninit();
    // SAFETY: the kernel fills `stat` if the call succeeds; an unused number is an error.
    retry(|| Errno::result(unsafe { libc::fstat64(fd, stat.as_mut_ptr()) }))?;
    // SAFETY: as above.
    Ok(unsafe { stat.assume_init() }.into())
}

/// fstatat(2) of a name in a directory, which may be AT_FDCWD. A symbolic link is not followed. Async-signal-safe.
pub(crate) fn file_status_at(directory: BorrowedFd<'_>, name: &CStr) -> nix::Result<FileStatus> {
    let mut stat = MaybeUninit::uninit();
    let flags = libc::AT_SYMLINK_NOFOLLOW;
    // SAFETY: `name` ends with a NUL, and the kernel fills `stat` if the call succeeds.
    let mut call = || unsafe { libc::fstatat64(directory.as_raw_fd(), name.as_ptr(), stat.as_mut_ptr(), flags) };
    retry(|| Errno::result(call()))?;
    // SAFETY: as above.
    Ok(unsafe { stat.assume_init() }.into())
}

/// Which file a number refers to, which may not be open. Async-signal-safe.
pub(crate) fn file_id(fd: RawFd) -> nix::Result<FileId> {
    file_status(fd).map(|status| status.id)
}

/// readlinkat(2) of an open symbolic link; returns how much of `target` was filled. Async-signal-safe.
pub(crate) fn link_target(link: BorrowedFd<'_>, target: &mut [u8]) -> nix::Result<usize> {
    let (fd, buffer, size) = (link.as_raw_fd(), target.as_mut_ptr().cast(), target.len());
    // SAFETY: the name ends with a NUL, and the kernel writes no more than `size` bytes.
    retry(|| Errno::result(unsafe { libc::readlinkat(fd, c"".as_ptr(), buffer, size) })).map(|length| length as usize)
}

/// Whether somebody else has the file open: fcntl(2) gives nobody a lease then, F_SETLEASE. Where there are no leases, no; where
/// this process may have none, that is as if.
///
/// Until `fd` is closed, who opens the file must wait, or gets EAGAIN if he does not want to.
pub(crate) fn is_open_elsewhere(fd: RawFd) -> bool {
    // The libc crate lacks it.
    const F_SETSIG: c_int = 10;
    // SAFETY: both commands take numbers, and touch no memory.
    unsafe {
        // Who has to wait would send SIGIO, which ends a process. This one is ignored by default.
        libc::fcntl(fd, F_SETSIG, libc::SIGURG);
        let leased = Errno::result(libc::fcntl(fd, libc::F_SETLEASE, libc::F_WRLCK));
        !matches!(leased, Ok(_) | Err(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP))
    }
}

/// ftruncate(2) to nothing; async-signal-safe.
pub(crate) fn truncate(fd: RawFd) -> nix::Result<()> {
    // SAFETY: the call touches no memory.
    retry(|| Errno::result(unsafe { libc::ftruncate(fd, 0) }).map(drop))
}

/// fcntl(2) F_OFD_SETLK: marks a file by a lock on one of its bytes, which is independent of flock(2).
pub(crate) fn mark(fd: &OwnedFd, byte: u8) -> nix::Result<()> {
    retry(|| fcntl(fd, FcntlArg::F_OFD_SETLK(&lock_of(byte))).map(drop))
}

/// fcntl(2) F_OFD_GETLK: whether somebody else has marked the file.
///
/// Only by a lock for writing, which is what a lock for reading would meet: the other kind anybody may take who may read.
pub(crate) fn is_marked(fd: &OwnedFd, byte: u8) -> nix::Result<bool> {
    let mut lock = lock_of(byte);
    lock.l_type = libc::F_RDLCK as libc::c_short;
    retry(|| fcntl(fd, FcntlArg::F_OFD_GETLK(&mut lock)))?;
    Ok(lock.l_type != libc::F_UNLCK as libc::c_short)
}

fn lock_of(byte: u8) -> libc::flock {
    // SAFETY: all zeros is a valid flock, which has only numbers in it.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = byte.into();
    lock.l_len = 1;
    lock
}

/// fcntl(2) F_SETOWN: this process gets SIGIO for a descriptor that has O_ASYNC.
pub(crate) fn send_sigio_to_us(fd: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: the command takes a pid by value and touches no memory.
    let call = || unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETOWN, libc::getpid()) };
    retry(|| Errno::result(call()).map(drop))
}

/// poll(2). The time is rounded up, so that the last millisecond is not spent in a loop, and cut at some weeks.
pub(crate) fn poll(polled: &mut [libc::pollfd], timeout: Duration) -> nix::Result<c_int> {
    let millis = timeout.as_nanos().div_ceil(1_000_000).min(c_int::MAX as u128) as c_int;
    // SAFETY: the kernel reads and writes just these entries.
    Errno::result(unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, millis) })
}

/// Whether the other end of a socket is closed; async-signal-safe.
pub(crate) fn hung_up(fd: RawFd) -> bool {
    let mut polled = [libc::pollfd { fd, events: 0, revents: 0 }];
    // With no time to wait there is nothing to interrupt.
    poll(&mut polled, Duration::ZERO) == Ok(1) && polled[0].revents & libc::POLLHUP != 0
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

/// A byte that is 1 in the process that has set it, and 0 in every process that was forked from it, by whatever call.
///
/// The kernel clears it there (MADV_WIPEONFORK, Linux 4.14). Before that only a child that fork(3) made is told, by the
/// caller's pthread_atfork(3) handler.
pub(crate) fn wiped_on_fork() -> nix::Result<&'static AtomicU8> {
    // Never unmapped.
    let page = ManuallyDrop::new(Pages::new()?);
    // SAFETY: the page is this process's; all zeros is a valid AtomicU8, and nobody else uses the page.
    unsafe {
        // An older kernel or an emulator refuses it: then, as said above, the handler does.
        let _ = libc::madvise(page.0.as_ptr().cast(), Pages::SIZE, libc::MADV_WIPEONFORK);
        Ok(page.0.cast().as_ref())
    }
}

/// pidfd_open(2).
pub(crate) fn pidfd_open(pid: Pid) -> nix::Result<OwnedFd> {
    // SAFETY: the call touches no memory.
    let fd = retry(|| Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }))?;
    // SAFETY: the kernel has just made this descriptor (an int, close-on-exec), and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// kill(2), also with the number of a real-time signal, or with 0.
pub(crate) fn kill(pid: Pid, signal: c_int) -> nix::Result<()> {
    // SAFETY: the call touches no memory.
    Errno::result(unsafe { libc::kill(pid.as_raw(), signal) }).map(drop)
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

/// Whether this thread has any capability, effective, permitted or inheritable.
pub(crate) fn has_capabilities() -> nix::Result<bool> {
    capability_sets().map(|sets| sets.iter().any(|set| *set != 0))
}

/// Whether this thread has one of the capabilities of capabilities(7) in effect, by its number below 32.
pub(crate) fn has_effective_capability(number: u32) -> bool {
    // The first word is what is effective of the first 32.
    capability_sets().is_ok_and(|sets| sets[0] & 1 << number != 0)
}

/// capget(2).
fn capability_sets() -> nix::Result<[u32; 6]> {
    let mut header = capability_header();
    let mut sets = [0_u32; 6];
    // SAFETY: as in `drop_capabilities`, and the kernel writes no more than the two structs.
    let mut call = || unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) };
    retry(|| Errno::result(call()))?;
    Ok(sets)
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

// Memory

/// Some pages of zeros, for those who must not allocate: mmap(2), and munmap(2) when it is dropped.
pub(crate) struct Pages(NonNull<[u8; Pages::SIZE]>);

impl Pages {
    /// For a path and the targets of links in it, PATH_MAX each and more.
    pub(crate) const SIZE: usize = 0x4000;

    pub(crate) fn new() -> nix::Result<Self> {
        let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping touches no memory that is in use.
        match unsafe { libc::mmap(ptr::null_mut(), Pages::SIZE, protection, flags, -1, 0) } {
            libc::MAP_FAILED => Err(Errno::last()),
            page => NonNull::new(page.cast()).map(Pages).ok_or(Errno::ENOMEM),
        }
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8; Pages::SIZE] {
        // SAFETY: the mapping lives as long as this, and is this's alone.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: what was mapped, which nobody refers to any more. The call cannot fail for it.
        unsafe { libc::munmap(self.0.as_ptr().cast(), Pages::SIZE) };
    }
}

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

/// Overwrites the variables that exec has passed, except those to keep, where exec has put them: so /proc/PID/environ does not
/// show them. Variables that were set since are elsewhere and stay.
pub(crate) fn overwrite_initial_env(is_kept: impl Fn(&[u8]) -> bool) {
    // Numbers 50 and 51 of proc_pid_stat(5) are where they begin and end. The second field has a name that may hold anything.
    let stat = procfs::read("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split_ascii_whitespace().collect();
    let address = |number: usize| fields.get(number - 3).and_then(|field| field.parse::<usize>().ok()).unwrap_or(0);
    let (start, end) = (address(50), address(51));
    // An older kernel, an emulator or a missing /proc does not say.
    if start == 0 || end <= start {
        return;
    }
    // SAFETY: exec has put the strings there, on the stack of the first thread, and the process may write to them. As in
    // `set_env` there is no other thread. std copies what it returns; C code that has kept a pointer from getenv(3) to one of
    // these variables, which are about to be removed, finds it empty and still ended by a NUL.
    let area = unsafe { std::slice::from_raw_parts_mut(ptr::with_exposed_provenance_mut::<u8>(start), end - start) };
    for variable in area.split_mut(|byte| *byte == 0) {
        let name = variable.split(|byte| *byte == b'=').next().unwrap_or_default();
        if !is_kept(name) {
            variable.fill(0);
        }
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
    set_action(signal, disposition, 0, &SigSet::empty())
}

/// Whether a signal is ignored, also one of the two that glibc hides.
pub(crate) fn is_ignored(signal: c_int) -> nix::Result<bool> {
    handler_and_flags(signal).map(|(handler, _)| handler == libc::SIG_IGN)
}

fn handler_and_flags(signal: c_int) -> nix::Result<(usize, usize)> {
    let mut now = [0_usize; 8];
    // SAFETY: the kernel fills no more than its `struct sigaction`, which is smaller.
    let mut ask = || unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, ptr::null::<usize>(), now.as_mut_ptr(), SIGSET_SIZE)
    };
    retry(|| Errno::result(ask()).map(drop))?;
    Ok(if IS_MIPS { (now[1], now[0]) } else { (now[0], now[1]) })
}

/// MIPS has its flags before the handler, and 128 signals.
const IS_MIPS: bool = cfg!(any(target_arch = "mips", target_arch = "mips64"));

#[cfg(any(target_arch = "sparc", target_arch = "sparc64"))]
compile_error!("rt_sigaction(2) takes other arguments on SPARC, where this crate has not been tried");

/// The size of the kernel's set of signals in bytes.
const SIGSET_SIZE: usize = if IS_MIPS { 16 } else { 8 };

/// Sets a signal to its default if exec has passed it on as ignored.
///
/// exec clears the flags, and C libraries set some: SA_RESTART by signal(3), and on most processors SA_RESTORER by sigaction(2).
/// So a signal that was ignored already, and that the program ignores itself, has flags.
///
/// The bare system call, because glibc hides the two signals that it keeps for its threads (32 and 33), although
/// posix_spawn(3) leaves the first ignored in the programs that it starts.
pub(crate) fn stop_ignoring(signal: c_int) -> nix::Result<()> {
    if handler_and_flags(signal)? != (libc::SIG_IGN, 0) {
        return Ok(());
    }
    // `struct sigaction` of the kernel: all zeros is SIG_DFL without flags and mask.
    let default = [0_usize; 8];
    let none = ptr::null_mut::<usize>();
    // SAFETY: the kernel only reads `default`; the default action runs no code of this process.
    let set = || unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, SIGSET_SIZE) };
    retry(|| Errno::result(set()).map(drop))
}

/// sigaction(2) with an action that the process had before.
pub(crate) fn restore_action(signal: c_int, action: &libc::sigaction) -> nix::Result<()> {
    // SAFETY: the kernel has accepted this action before, and its handler, if it is one, lives as long as the program.
    retry(|| Errno::result(unsafe { libc::sigaction(signal, action, ptr::null_mut()) }).map(drop))
}

/// sigaction(2) with one of this crate's three handlers, which are async-signal-safe: `launch::daemon::end_without_launcher`,
/// `step::termination::end` and `step::reopen::handle_sighup`.
pub(crate) fn set_handler(signal: Signal, handler: Handler) -> nix::Result<()> {
    // SA_RESTART, so that the program's own calls do not notice; SA_ONSTACK, so that it also runs on a full stack. That other
    // stack is of 8 KiB, and has no room for one handler within another.
    let flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    let handled = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGIO];
    set_action(signal as c_int, handler as libc::sighandler_t, flags, &handled.into_iter().collect())
}

fn set_action(signal: c_int, handler: libc::sighandler_t, flags: c_int, mask: &SigSet) -> nix::Result<()> {
    // SAFETY: all zeros is a valid sigaction: the default action, an empty mask, no flags.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_mask = *mask.as_ref();
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
