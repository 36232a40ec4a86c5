//! Inherited descriptors, daemon(7), step 1: all are closed but those to keep.
//!
//! What exec passes on cannot have the close-on-exec flag. What Rust, the C library and most others open themselves has it,
//! and they remember their descriptors by number. So what is open at the first call into this crate, and is still the same
//! without that flag when the daemon starts, is inherited. Nothing else is closed.

use std::fs;
use std::os::fd::RawFd;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::libc::FD_CLOEXEC;
use nix::sys::resource::{Resource, getrlimit};

use crate::errno::errno_of;
use crate::error::{self, Error, ErrorKind, Step};
use crate::sys::{self, FileId, retry};

/// The first descriptor that is no standard stream.
const FIRST: RawFd = 3;
/// Without /proc no number above this one is looked at: Linux allows no more by default, proc_sys_fs(5), `nr_open`.
const LAST: RawFd = 1 << 20;
/// So many more numbers than are open are looked at in vain, until /proc has to list what is open.
const MISSES: u64 = 64;

/// A descriptor that was open at the first call, and which file it was; or why fstat(2) does not say, as for a file system whose
/// server has gone.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    fd: RawFd,
    file: nix::Result<FileId>,
}

/// Returns what is open. The flags are read when they are to be closed: one call less.
pub(crate) fn list() -> nix::Result<Vec<Open>> {
    let mut open = Vec::new();
    look_at_open(&[], &mut |fd| {
        let file = sys::file_id(fd);
        let is_open = file != Err(Errno::EBADF);
        if is_open && fd >= FIRST {
            open.push(Open { fd, file });
        }
        Ok(is_open)
    })?;
    Ok(open)
}

/// Calls `look` with every number that is open, but for those in `known`, which are; and with some that are not: it returns
/// whether it is.
///
/// One number after the other, until as many are found as are open. The kernel makes a file for each entry of /proc/self/fd,
/// which takes much longer than to look at a number: so that is listed only where open numbers are far apart.
pub(crate) fn look_at_open(known: &[RawFd], look: &mut dyn FnMut(RawFd) -> nix::Result<bool>) -> nix::Result<()> {
    // proc_pid_fd(5): how many are open, since Linux 6.2; before, 0.
    let count = fs::metadata("/proc/self/fd").map_or(0, |directory| directory.size());
    let (mut next, mut found, mut missed) = (0, known.len() as u64, 0);
    let mut next_known = known.iter().peekable();
    while found < count && missed < found + MISSES {
        if next_known.next_if_eq(&&next).is_none() {
            if look(next)? { found += 1 } else { missed += 1 }
        }
        next += 1;
    }
    if found < count || count == 0 {
        let rest = list_numbers()?.into_iter().filter(|fd| *fd >= next && known.binary_search(fd).is_err());
        rest.map(look).try_for_each(|looked| looked.map(drop))?;
    }
    Ok(())
}

/// Returns the numbers that are open, as /proc lists them. Among these is the number that the list itself was read through.
fn list_numbers() -> nix::Result<Vec<RawFd>> {
    let errno = |error| errno_of(&error);
    let entries = match retry(|| fs::read_dir("/proc/self/fd").map_err(errno)) {
        // Without /proc each number below the limit may be open.
        Err(Errno::ENOENT | Errno::EACCES) => {
            let limit = RawFd::try_from(getrlimit(Resource::RLIMIT_NOFILE)?.1).unwrap_or(RawFd::MAX);
            return Ok((0..limit.min(LAST)).collect());
        }
        entries => entries?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        numbers.extend(entry.map_err(errno)?.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()));
    }
    Ok(numbers)
}

/// Whether a number is open, and exec would pass it on: it has no close-on-exec flag.
fn is_passed_on(fd: RawFd) -> nix::Result<bool> {
    match sys::descriptor_flags(fd) {
        Ok(flags) => Ok(flags & FD_CLOEXEC == 0),
        Err(Errno::EBADF) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Returns what was inherited, in ascending order, but for `keep` and for what the program has taken over or replaced since.
pub(crate) fn find_inherited(open_at_first: Result<&[Open], &Errno>, keep: &[RawFd]) -> error::Result<Vec<RawFd>> {
    let open_at_first = open_at_first
        .map_err(|errno| Error::system(Step::Descriptors, "list inherited descriptors in /proc/self/fd", *errno))?;
    let mut inherited = Vec::new();
    for Open { fd, file } in open_at_first.iter().filter(|it| !keep.contains(&it.fd)) {
        if !is_passed_on(*fd).map_err(not_closed)? {
            continue;
        }
        match (sys::file_id(*fd), *file) {
            (now, before) if now == before => inherited.push(*fd),
            (Ok(_), Ok(_)) => {}
            (Err(errno), _) | (_, Err(errno)) => return Err(not_closed(errno)),
        }
    }
    Ok(inherited)
}

/// Closes what [`find_inherited`] has found; neighbours, as /proc lists them, in one call.
pub(crate) fn close_inherited(inherited: &[RawFd]) -> error::Result<()> {
    let mut runs = inherited.chunk_by(|fd, next| fd + 1 == *next);
    runs.try_for_each(|run| sys::close_inherited(run[0], run[run.len() - 1]).map_err(not_closed))
}

fn not_closed(errno: Errno) -> Error {
    Error::system(Step::Descriptors, "close inherited descriptors", errno)
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
