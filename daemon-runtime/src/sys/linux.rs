//! Linux.

use std::ffi::{CStr, OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::libc::{self, c_int, siginfo_t};
use nix::sys::prctl::{set_child_subreaper, set_dumpable, set_no_new_privs};
use nix::sys::stat::Mode;
use nix::sys::statfs::{PROC_SUPER_MAGIC, fstatfs};
use nix::unistd::{Gid, Pid, Uid, getpid, getppid, getresgid, getresuid, gettid};

use super::{FileId, Link, ProcessInfo, descriptor_flags, file_status, retry, visit_listed};

#[allow(dead_code, unused_imports, reason = "what this file has replaces what has the same name there")]
#[path = "posix.rs"]
mod common;
pub(crate) use common::*;

// The calls of 64 bits: on a machine of 32 bits the others fail for a file of 2 GiB.
pub(crate) use libc::{fstat64 as fstat, fstatat64 as fstatat, stat64 as Stat};

/// The same for openat(2).
pub(crate) const LARGE_FILE: OFlag = OFlag::O_LARGEFILE;

/// Returns C's stdout and stderr.
pub(crate) fn c_streams() -> [*mut libc::FILE; 2] {
    // Declared here because the libc crate has neither.
    unsafe extern "C" {
        static stdout: *mut libc::FILE;
        static stderr: *mut libc::FILE;
    }
    // SAFETY: the C library has set both before main, and nothing in this process sets them anew.
    unsafe { [stdout, stderr] }
}

/// Returns whether a signal that is ignored may be so since exec, which clears the flags. C libraries set some: SA_RESTART by
/// signal(3), and on most processors SA_RESTORER by sigaction(2).
pub(crate) fn may_be_ignored_since_exec(action: &libc::sigaction) -> bool {
    action.sa_flags == 0
}

/// The number of /dev/null, null(4): 1:3.
pub(crate) const NULL_DEVICE: Option<u64> = Some(libc::makedev(1, 3));

/// Returns the numbers of the signals that can be ignored, but those that the C library keeps for its threads.
pub(crate) fn signals() -> impl Iterator<Item = c_int> {
    common::signals().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

// Processes

/// Counts the threads of this process.
pub(crate) fn count_threads() -> nix::Result<usize> {
    // An emulator (qemu-user) has threads of its own, which /proc shows and the C library does not know.
    if is_single_threaded_to_libc() { Ok(1) } else { common::count_threads() }
}

/// Returns the names of the other threads of this process, as far as they are to be seen.
pub(crate) fn other_threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let others = tasks.filter(|task| task.file_name().to_str() != Some(&gettid().to_string()));
    let name = |task: fs::DirEntry| Some(read_proc(task.path().join("comm").to_str()?)?.trim_end().to_owned());
    others.filter_map(name).collect()
}

/// What the C library knows of threads: glibc's `__libc_single_threaded`, since 2.32. Once there was a thread it may say no
/// for ever.
fn is_single_threaded_to_libc() -> bool {
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

/// Makes this process the parent of the children of its descendants when these end: PR_SET_CHILD_SUBREAPER(2const). Returns
/// whether it is; emulators (qemu-user) do not know the call.
pub(crate) fn adopt_orphans() -> nix::Result<bool> {
    match set_child_subreaper(true) {
        Ok(()) => Ok(true),
        Err(Errno::EINVAL | Errno::ENOSYS) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Looks at a process, as far as the system shows it.
pub(crate) fn look_at_process(pid: Pid) -> Option<ProcessInfo> {
    let (status, stat) = (read_proc(&format!("/proc/{pid}/status"))?, read_stat(pid)?);
    let users = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let owner = users.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(ProcessInfo { owner, start: stat.split(' ').nth(19)?.parse().ok()?, is_zombie: stat.starts_with('Z') })
}

/// Reads proc_pid_stat(5) from the third field on, the state. The second, a name, may hold anything.
fn read_stat(pid: Pid) -> Option<String> {
    Some(read_proc(&format!("/proc/{pid}/stat"))?.rsplit_once(") ")?.1.to_owned())
}

/// Reads a file of proc(5) as text. A name in it may be cut within a character, or be no text at all.
fn read_proc(path: &str) -> Option<String> {
    fs::read(path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns whether a process has a lock of flock(2) on a file: proc_pid_fdinfo(5). `None` where that is not to be seen.
pub(crate) fn has_lock(pid: Pid, file: FileId) -> Option<bool> {
    let entries = fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?;
    let mut infos = entries.filter_map(|entry| read_proc(entry.ok()?.path().to_str()?)).peekable();
    // It has none at all when it is about to end.
    infos.peek()?;
    // Not the device, which on some file systems is another one than stat(2) says.
    let place = format!(":{} ", file.inode);
    let is_lock = |line: &str| line.starts_with("lock:") && line.contains(" FLOCK ") && line.contains(&place);
    Some(infos.any(|info| info.lines().any(is_lock)))
}

/// Makes a descriptor that certainly is this process's: pidfd_open(2), since Linux 5.3. `None` where the kernel or a filter lacks
/// it.
pub(crate) fn open_process(pid: Pid) -> nix::Result<Option<OwnedFd>> {
    // SAFETY: the call touches no memory.
    match Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) }) {
        // SAFETY: the kernel has just made this descriptor (an int, close-on-exec), and nobody else knows it.
        Ok(fd) => Ok(Some(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })),
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// pidfd_send_signal(2).
pub(crate) fn signal_process(process: BorrowedFd<'_>, signal: c_int) -> nix::Result<()> {
    let (call, fd) = (libc::SYS_pidfd_send_signal, process.as_raw_fd());
    // SAFETY: a null siginfo asks for the one that kill(2) would send.
    Errno::result(unsafe { libc::syscall(call, fd, signal, ptr::null::<siginfo_t>(), 0) }).map(drop)
}

/// Returns how the system shows that a supervisor runs this process, if one does: its parent is the init of a container, which
/// ends when its child does.
pub(crate) fn why_supervised() -> Option<&'static str> {
    // The last one is that of `systemd-nspawn --as-pid2`.
    const INITS: [&str; 8] =
        ["init", "tini", "tini-static", "docker-init", "dumb-init", "catatonit", "podman-init", "(sd-stubinit)"];
    let is_init = || read_proc("/proc/1/comm").is_some_and(|name| INITS.contains(&name.trim_end()));
    // In a /proc of an outer pid namespace this process has another number, and process 1 is another one.
    let is_own_proc = || fs::read_link("/proc/self").is_ok_and(|number| number == Path::new(&getpid().to_string()));
    // sd_booted(3).
    let is_child = getppid().as_raw() == 1 && is_own_proc() && is_init() && !Path::new("/run/systemd/system").exists();
    is_child.then_some("its parent is the init of a container")
}

/// Makes the address of a socket of unix(7); what begins with @ is in the abstract namespace.
pub(crate) fn socket_address(path: &OsStr) -> io::Result<SocketAddr> {
    match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(path),
    }
}

// Users and capabilities

/// Whether [`user_ids`] and [`group_ids`] tell the saved ids.
pub(crate) const TELLS_SAVED_IDS: bool = true;

/// Returns the real, the effective and the saved user id.
pub(crate) fn user_ids() -> nix::Result<[Uid; 3]> {
    getresuid().map(|ids| [ids.real, ids.effective, ids.saved])
}

/// Returns the real, the effective and the saved group id.
pub(crate) fn group_ids() -> nix::Result<[Gid; 3]> {
    getresgid().map(|ids| [ids.real, ids.effective, ids.saved])
}

/// What root may do: the numbers of capabilities(7).
#[derive(Clone, Copy)]
pub(crate) enum Right {
    SetGid = 6,
    SetUid = 7,
    Chroot = 18,
}

/// Returns whether this process may do it: whether the capability is in effect.
pub(crate) fn has_right(right: Right) -> bool {
    // The first word is what is effective of the first 32.
    capability_sets().is_ok_and(|sets| sets[0] & 1 << right as u32 != 0)
}

/// Clears all three capability sets of this thread, and with them the ambient set: capset(2). Returns whether they are empty.
pub(crate) fn drop_capabilities() -> nix::Result<bool> {
    // The kernel clears only what is effective and permitted when the user changes, and not even that under every securebits(7).
    if capability_sets()? != [0; 6] {
        let (header, none) = (CAPABILITY_HEADER, [0_u32; 6]);
        // SAFETY: version 3 of the header takes two structs of three 32 bit words, which `none` is.
        Errno::result(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) })?;
    }
    Ok(capability_sets()? == [0; 6])
}

/// capget(2).
fn capability_sets() -> nix::Result<[u32; 6]> {
    let (mut header, mut sets) = (CAPABILITY_HEADER, [0_u32; 6]);
    // SAFETY: as in `drop_capabilities`, and the kernel writes no more than the two structs.
    Errno::result(unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), sets.as_mut_ptr()) })?;
    Ok(sets)
}

/// `struct __user_cap_header_struct`: _LINUX_CAPABILITY_VERSION_3, and 0 for this thread.
const CAPABILITY_HEADER: [u32; 2] = [0x2008_0522, 0];

/// Leaves the session keyring, keyrings(7), and with it the keys of whoever started the process: keyctl(2).
pub(crate) fn leave_session_keyring() -> nix::Result<()> {
    let name = ptr::null::<libc::c_char>();
    // SAFETY: a null name asks for a keyring without one.
    match Errno::result(unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, name) }) {
        // A kernel without keyrings, or a container that forbids them: then nobody has put a key there either.
        Ok(_) | Err(Errno::ENOSYS | Errno::EPERM | Errno::EACCES) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Whether [`forbid_new_privileges`] is to be had.
pub(crate) const HAS_NO_NEW_PRIVILEGES: bool = true;

/// execve(2) of a set-user-ID program gives no rights from now on: PR_SET_NO_NEW_PRIVS(2const).
pub(crate) fn forbid_new_privileges() -> nix::Result<()> {
    set_no_new_privs()
}

/// core(5): no dump, and no look at the memory.
pub(crate) fn forbid_core_dumps() -> nix::Result<()> {
    common::forbid_core_dumps()?;
    set_dumpable(false)
}

// Descriptors and files

/// Calls `visit` with all numbers that are open, in ascending order, and with some that are not: it returns whether one is.
pub(crate) fn visit_descriptors(visit: &mut dyn FnMut(RawFd) -> bool) -> nix::Result<()> {
    // proc_pid_fd(5): how many are open, since Linux 6.2; before, 0. The kernel makes a file for each entry of the directory,
    // which takes longer than to try the first numbers. Not where open numbers are far apart.
    let count = fs::metadata("/proc/self/fd").map_or(0, |directory| directory.size() as usize);
    let (mut found, mut next) = (0, 0);
    while found < count && next < 2 * found + 64 {
        found += usize::from(visit(next as RawFd));
        next += 1;
    }
    if count > 0 && found == count {
        return Ok(());
    }
    visit_listed("/proc/self/fd", next as RawFd, visit)
}

/// Returns whether this process holds a record lock of fcntl(2) on the file of this descriptor; EBADF if it is not open.
pub(crate) fn has_record_lock(fd: RawFd) -> nix::Result<bool> {
    // SAFETY: all zeros is a valid flock, which has only numbers in it: the whole file.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    // SAFETY: the command fills `lock`, and an unused number is an error.
    match Errno::result(unsafe { libc::fcntl(fd, libc::F_OFD_GETLK, &mut lock) }) {
        Ok(_) if lock.l_type == libc::F_UNLCK as libc::c_short => return Ok(false),
        Ok(_) => {}
        // Or it is of O_PATH, by which nothing can be locked.
        Err(Errno::EBADF) => return descriptor_flags(fd).map(|_| false),
        // A file system that knows no locks.
        Err(_) => return Ok(false),
    }
    // One holder of several is told. All locks of this process are in proc_pid_fdinfo(5).
    Ok(match read_proc(&format!("/proc/self/fdinfo/{fd}")) {
        Some(info) => info.lines().any(|line| line.starts_with("lock:") && line.split(' ').any(|word| word == "POSIX")),
        None => lock.l_pid == getpid().as_raw(),
    })
}

/// A directory that is only passed through needs no right to be read.
pub(crate) const SEARCH: OFlag = OFlag::O_PATH;

/// Looks at a name in a directory: at one file, whatever is put there in the meantime. `None` if it is no symbolic link.
pub(crate) fn look_at(directory: BorrowedFd<'_>, name: &OsStr) -> nix::Result<Option<Link>> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let found = retry(|| openat(directory, name, flags, Mode::empty()))?;
    let status = file_status(found.as_raw_fd())?;
    if status.kind != libc::S_IFLNK {
        return Ok(None);
    }
    let is_kernels = fstatfs(&found).is_ok_and(|system| system.filesystem_type() == PROC_SUPER_MAGIC);
    Ok(Some((status, if is_kernels { None } else { Some(link_target(found.as_fd())?) })))
}

/// readlinkat(2) of an open symbolic link.
fn link_target(link: BorrowedFd<'_>) -> nix::Result<OsString> {
    let mut target = vec![0; libc::PATH_MAX as usize];
    let (fd, name, size) = (link.as_raw_fd(), <&CStr>::default().as_ptr(), target.len());
    // SAFETY: the name ends with a NUL, and the kernel writes no more than `size` bytes.
    let length = Errno::result(unsafe { libc::readlinkat(fd, name, target.as_mut_ptr().cast(), size) })?;
    target.truncate(length as usize);
    Ok(OsString::from_vec(target))
}
