//! Inherited descriptors, daemon(7), step 1: all are closed but those to keep.
//!
//! What exec passes on cannot have the close-on-exec flag. What Rust, the C library and most others open themselves has it,
//! and they remember their descriptors by number. So what is open at the first call into this crate, and is still the same
//! without that flag when the daemon starts, is inherited. Nothing else is closed.

use std::fs;
use std::os::fd::RawFd;

use nix::errno::Errno;
use nix::libc::FD_CLOEXEC;
use nix::sys::resource::{Resource, getrlimit};

use crate::errno::errno_of;
use crate::error::{self, Error, ErrorKind, Step};
use crate::sys::{self, FileId, retry};

/// The first descriptor that is no standard stream.
const FIRST: RawFd = 3;
/// Without /proc no number above this one is asked for: Linux allows no more by default, proc_sys_fs(5), `nr_open`.
const LAST: RawFd = 1 << 20;

/// A descriptor that was open at the first call, and what it was.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    fd: RawFd,
    file: FileId,
}

/// Returns what is open, in the order of the numbers. Their flags are read when they are to be closed: one call less.
pub(crate) fn list() -> nix::Result<Vec<Open>> {
    let mut numbers = list_numbers()?;
    numbers.sort_unstable();
    let open = numbers.into_iter().map(|fd| match sys::file_id(fd) {
        Ok(file) => Ok(Some(Open { fd, file })),
        // The list itself was read through a descriptor.
        Err(Errno::EBADF) => Ok(None),
        Err(errno) => Err(errno),
    });
    open.filter_map(nix::Result::transpose).collect()
}

/// Returns the numbers that are open, or may be.
fn list_numbers() -> nix::Result<Vec<RawFd>> {
    let errno = |error| errno_of(&error);
    match retry(|| fs::read_dir("/proc/self/fd").map_err(errno)) {
        Ok(entries) => {
            let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok().filter(|fd| *fd >= FIRST);
            entries.filter_map(|entry| entry.map(number).map_err(errno).transpose()).collect()
        }
        // Without /proc each number below the limit may be open.
        Err(Errno::ENOENT | Errno::EACCES) => {
            let limit = RawFd::try_from(getrlimit(Resource::RLIMIT_NOFILE)?.0).unwrap_or(RawFd::MAX);
            Ok((FIRST..limit.min(LAST)).collect())
        }
        Err(errno) => Err(errno),
    }
}

/// Whether a number is open, and exec would pass it on: it has no close-on-exec flag.
fn is_passed_on(fd: RawFd) -> nix::Result<bool> {
    match sys::descriptor_flags(fd) {
        Ok(flags) => Ok(flags & FD_CLOEXEC == 0),
        Err(Errno::EBADF) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Closes what was inherited, but for `keep`, and what the program has taken over or replaced since.
pub(crate) fn close_inherited(open_at_first: Result<&[Open], &Errno>, mut keep: Vec<RawFd>) -> error::Result<()> {
    let open_at_first = open_at_first.map_err(|errno| {
        Error::system(Step::Descriptors, "list inherited descriptors in /proc/self/fd", *errno).advise("mount /proc")
    })?;
    let failed = |errno| Error::system(Step::Descriptors, "close inherited descriptors", errno);
    keep.sort_unstable();
    let mut unwanted = Vec::new();
    for it in open_at_first.iter().filter(|it| keep.binary_search(&it.fd).is_err()) {
        if is_passed_on(it.fd).map_err(failed)? && sys::file_id(it.fd).map_err(failed)? == it.file {
            unwanted.push(it.fd);
        }
    }
    // Neighbours go in one call.
    for run in unwanted.chunk_by(|fd, next| fd + 1 == *next) {
        sys::close_inherited(run[0], run[run.len() - 1]).map_err(failed)?;
    }
    Ok(())
}

/// Refuses a descriptor in `keep_fds` that is not open.
pub(crate) fn check_open(keep_fds: &[RawFd]) -> error::Result<()> {
    for fd in keep_fds {
        if let Err(errno) = sys::descriptor_flags(*fd) {
            let what = format!("keep descriptor {fd}");
            return Err(Error::new(Step::Descriptors, ErrorKind::InvalidOption, what, errno.desc())
                .advise("open it before the program starts, or take it out of keep_fds"));
        }
    }
    Ok(())
}

/// Refuses a process that holds a record lock of fcntl(2), as SQLite does for as long as a database is open: fork(2) does not
/// pass it on, so that the daemon would write without it.
pub(crate) fn refuse_record_locks() -> error::Result<()> {
    // One look at all locks first: most processes have none. Where /proc hides them there is no second way.
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = std::process::id().to_string();
    let is_ours = |line: &str| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        fields.next() == Some("POSIX") && fields.nth(2) == Some(&pid)
    };
    if !locks.lines().any(is_ours) {
        return Ok(());
    }
    for entry in fs::read_dir("/proc/self/fdinfo").into_iter().flatten().flatten() {
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        if info.lines().any(|line| line.starts_with("lock:") && line.contains(" POSIX ")) {
            let fd = entry.file_name().to_string_lossy().into_owned();
            let path = fs::read_link(format!("/proc/self/fd/{fd}")).unwrap_or_default();
            let why =
                format!("descriptor {fd} ({}) holds a record lock, which a fork does not pass on", path.display());
            return Err(Error::new(Step::Descriptors, ErrorKind::Misuse, "become a daemon", why)
                .advise("open it in main's body"));
        }
    }
    Ok(())
}

/// Refuses a process whose children would be in another pid namespace than itself: `unshare -p` without `--fork`. The pids
/// that the launcher would be told are other processes here.
pub(crate) fn refuse_other_pid_namespace() -> error::Result<()> {
    let path = "/proc/self/ns/pid_for_children";
    let own = fs::metadata("/proc/self/ns/pid").map(|namespace| FileId::from(&namespace));
    // Before the first child it has no target yet. Linux before 4.12 has no such link.
    let of_children = fs::metadata(path).map(|namespace| FileId::from(&namespace));
    match (own, of_children, fs::symlink_metadata(path)) {
        (Ok(own), of_children, Ok(_)) if of_children.as_ref().ok() != Some(&own) => {
            let why = "its children are in another pid namespace than itself";
            Err(Error::new(Step::Launch, ErrorKind::Misuse, "become a daemon", why)
                .advise("start it by `unshare --fork`, or fork once after unshare(2)"))
        }
        _ => Ok(()),
    }
}
