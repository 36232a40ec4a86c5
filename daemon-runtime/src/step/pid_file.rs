//! The pid file: one instance, daemon(7), step 12. It is locked by flock(2) for as long as the daemon lives, and its content says
//! how far that is:
//!
//! | lock | content | |
//! | --- | --- | --- |
//! | nobody's | anything | no daemon runs |
//! | exclusive | empty | the launcher prepares |
//! | exclusive | `4711` | the daemon starts, and can be stopped |
//! | exclusive | `4711` and a newline | it is ready |
//!
//! A start empties what a dead daemon has left under a shared lock, which it gets only if nobody holds the file, and takes the
//! exclusive lock of an empty file alone. So no file is ever locked with a dead daemon's pid in it.

use std::ffi::CString;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FlockArg, OFlag, open};
use nix::libc::{self, uid_t};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::uio::pread;
use nix::unistd::{Pid, UnlinkatFlags, geteuid, getpid, unlinkat, write};

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::step::credentials::Credentials;
use crate::step::path::{self, Place, path_in_daemon};
use crate::sys::{self, FileId, Published, retry};

const MODE: Mode = Mode::from_bits_truncate(0o644);
/// Until it is locked nobody else may open it, and lock it first.
const MODE_UNLOCKED: Mode = Mode::from_bits_truncate(0o600);

/// How long a start waits for a file that no daemon holds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// How long the launcher may hold the file of a daemon that has ended, which it has to clear away.
pub(crate) const LAUNCHER_PATIENCE: Duration = Duration::from_secs(1);

/// A pid file that this start has locked. Unless it is [published](PidFile::publish), it is removed when this is dropped.
///
/// The lock belongs to the open file description, so that it passes from the launcher to the daemon with the fork:
/// flock(2). fcntl locks do not survive one.
pub(crate) struct PidFile {
    path: PathBuf,
    place: Place,
    in_daemon: LockedFile,
    fd: Option<OwnedFd>,
}

/// What the daemon needs to remove its file, also in a signal handler.
#[derive(Clone)]
struct LockedFile {
    /// In a new root they are others than the launcher's.
    directory: CString,
    name: CString,
    /// The daemon's.
    pid: Pid,
    fd: RawFd,
    id: FileId,
}

/// What one try to lock has come to.
enum Lock {
    Ours(FileId),
    /// Another process has the exclusive lock, and has written this.
    Held(Option<Written>),
    /// Others have shared locks: they look whether a daemon runs.
    Shared,
    /// Another start or daemon has had the file in between.
    Lost,
}

impl PidFile {
    /// Creates or takes over the file and locks it; or says which process holds it.
    pub(crate) fn lock(path: &Path, root: Option<&Path>, credentials: &Credentials) -> Result<Self> {
        let started = Instant::now();
        loop {
            let place = Place::of_file(path, credentials.who()).map_err(|errno| not_opened(path, errno))?;
            let (fd, is_new) = match open_or_create(&place) {
                // Another start has created it in between.
                Err(Errno::EEXIST) => continue,
                opened => opened.map_err(|errno| not_opened(path, errno))?,
            };
            // Whoever has made a file has it open perhaps, and can write any pid into it later, which root would signal.
            let is_trusted =
                |owner| is_new || !geteuid().is_root() || owner == 0 || owner == credentials.owner().as_raw();
            match try_lock(path, &fd, &place, is_trusted) {
                Ok(Lock::Ours(id)) => {
                    let (directory, name) = split(path_in_daemon(path, root).as_bytes());
                    let in_daemon = LockedFile { directory, name, pid: getpid(), fd: fd.as_raw_fd(), id };
                    let locked = PidFile { path: path.to_owned(), place, in_daemon, fd: Some(fd) };
                    return locked.give_to(credentials);
                }
                Ok(lock) => {
                    // Let go before the wait: who keeps a shared lock keeps everybody from the exclusive one.
                    drop(fd);
                    wait_after(path, &lock, started.elapsed())?;
                }
                Err(error) => {
                    if is_new {
                        // This failure is what there is to say; an empty file that stays blocks no start.
                        let _ = place.remove();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Makes the file the daemon's.
    fn give_to(self, credentials: &Credentials) -> Result<Self> {
        let fd = self.fd.as_ref().expect("it is there until `publish`");
        // File systems without modes refuse this, which is no reason not to start.
        let _ = fchmod(fd, MODE);
        credentials.give_file(fd).or_fail(Step::PidFile, format_args!("give away pid file {}", self.path.display()))?;
        Ok(self)
    }

    /// Writes this process's pid, and keeps the lock for the life of this process, which removes the file at its end.
    pub(crate) fn publish(mut self) -> Result<KeptPidFile> {
        write_whole(self.fd.as_ref().expect("it is published once"), &getpid().to_string(), &self.path)?;
        sys::at_exit(remove_kept)
            .and_then(|()| sys::at_fork_in_child(leave_to_parent))
            .or_fail(Step::PidFile, format_args!("register pid file {}", self.path.display()))?;
        KEPT.publish(LockedFile { pid: getpid(), ..self.in_daemon.clone() });
        // Never closed: with it would go the lock.
        let fd = self.fd.take().expect("it is published once");
        Ok(KeptPidFile { path: std::mem::take(&mut self.path), fd: ManuallyDrop::new(fd) })
    }
}

impl Drop for PidFile {
    /// Undoes what the start has done.
    fn drop(&mut self) {
        let is_there = || self.place.status().is_ok_and(|there| there.id == self.in_daemon.id);
        if self.fd.is_some() && !(is_there() && self.place.remove().is_ok()) {
            // An empty file, or one that was replaced and has no name any more, prevents no start.
            let _ = sys::truncate(self.in_daemon.fd);
        }
    }
}

/// The pid file of this process, which is the daemon.
#[derive(Debug)]
pub(crate) struct KeptPidFile {
    path: PathBuf,
    fd: ManuallyDrop<OwnedFd>,
}

impl KeptPidFile {
    /// Tells those who look at the pid file that the daemon is ready.
    pub(crate) fn mark_ready(&self) -> Result<()> {
        write_whole(&self.fd, "\n", &self.path)
    }
}

/// Writes at the end of what was written before. A regular file takes so short a text whole, or not at all.
fn write_whole(fd: &OwnedFd, text: &str, path: &Path) -> Result<()> {
    let written = match retry(|| write(fd, text.as_bytes())) {
        Ok(length) if length < text.len() => Err(Errno::ENOSPC),
        written => written.map(drop),
    };
    written.or_fail(Step::PidFile, format_args!("write pid file {}", path.display()))
}

static KEPT: Published<LockedFile> = Published::nothing();

/// Returns whether this process is a daemon with a pid file.
pub(crate) fn is_kept() -> bool {
    KEPT.get().is_some()
}

/// Removes the daemon's pid file if its path still leads to it; where the directory does not allow that, empties it. In a forked
/// child of the daemon it does nothing. Async-signal-safe.
pub(crate) extern "C" fn remove_kept() {
    // A child that ends before `leave_to_parent` has run is not the daemon.
    let Some(LockedFile { directory, name, fd, id, .. }) = KEPT.get().filter(|kept| kept.pid == getpid()) else {
        return;
    };
    // What is looked at and what is removed are in one directory, wherever its path leads in the meantime.
    let flags = sys::SEARCH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let is_removed = open(&**directory, flags, Mode::empty()).is_ok_and(|directory| {
        sys::file_status_at(directory.as_fd(), name).is_ok_and(|there| there.id == *id)
            && unlinkat(&directory, &**name, UnlinkatFlags::NoRemoveDir).is_ok()
    });
    // A body that has closed all descriptors may have another file at this number.
    if !is_removed && sys::file_status(*fd).is_ok_and(|open| open.id == *id) {
        let _ = sys::truncate(*fd);
    }
}

/// Returns the directory of a path, and the name in it.
fn split(path: &[u8]) -> (CString, CString) {
    let (directory, name) = path.split_at(path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1));
    let part = |part: &[u8]| CString::new(part).unwrap_or_default();
    (part(directory), part(name))
}

/// Closes a forked child's copy of the lock, which would outlive a daemon that is killed, and leaves the file to its parent.
/// Async-signal-safe.
///
/// Once on the way down: the child may use the number for something else, which its own children inherit.
extern "C" fn leave_to_parent() {
    // A body that has closed all descriptors may have another file at this number.
    if let Some(kept) = KEPT.withdraw().filter(|kept| sys::file_status(kept.fd).is_ok_and(|open| open.id == kept.id)) {
        sys::close_inherited(kept.fd);
    }
}

/// Opens the file, or creates it, and tells whether it is new.
///
/// Not by O_CREAT alone: fs.protected_regular of proc_sys_fs(5) refuses that, even to root, for another's file in a
/// directory like /tmp.
fn open_or_create(place: &Place) -> nix::Result<(OwnedFd, bool)> {
    match place.open(OFlag::O_RDWR) {
        Err(Errno::ENOENT) => place.create(OFlag::O_RDWR, MODE_UNLOCKED).map(|created| (created, true)),
        opened => opened.map(|fd| (fd, false)),
    }
}

/// Locks what was opened, if it is a file that may be a pid file, nobody holds it, and it still is the one at its path. One of an
/// owner who is not trusted is removed.
fn try_lock(path: &Path, fd: &OwnedFd, place: &Place, is_trusted: impl Fn(uid_t) -> bool) -> Result<Lock> {
    let status = || sys::file_status(fd.as_raw_fd()).or_fail(Step::PidFile, lock_action(path));
    let lock = |kind| flock(fd, kind).or_fail(Step::PidFile, lock_action(path));
    let file = status()?;
    if file.kind != libc::S_IFREG {
        return Err(refused(path, "it is not a regular file"));
    }
    // Made by a user in a directory of his, this could be a file that is none of his business.
    if file.names > 1 {
        return Err(refused(path, path::describe(path::SEVERAL_NAMES)));
    }
    if !lock(FlockArg::LockSharedNonblock)? {
        return read(fd).map(Lock::Held).or_fail(Step::PidFile, format_args!("read pid file {}", path.display()));
    }
    if !status()?.is_empty {
        // Nobody holds the file, so this is a dead daemon's.
        sys::truncate(fd.as_raw_fd()).or_fail(Step::PidFile, format_args!("empty pid file {}", path.display()))?;
    }
    if !lock(FlockArg::LockExclusiveNonblock)? {
        return Ok(Lock::Shared);
    }
    match place.status() {
        Ok(there) if there.id == file.id && there.is_empty && is_trusted(file.owner) => Ok(Lock::Ours(file.id)),
        Ok(there) if there.id == file.id && there.is_empty => {
            let removed = place.remove().or_fail(Step::PidFile, format_args!("replace pid file {}", path.display()));
            removed.map(|()| Lock::Lost)
        }
        Ok(_) | Err(Errno::ENOENT) => Ok(Lock::Lost),
        Err(errno) => Err(Error::system(Step::PidFile, lock_action(path), errno)),
    }
}

/// Returns when another try may succeed; or says who has the file, as soon as that is known.
fn wait_after(path: &Path, lock: &Lock, waited: Duration) -> Result<()> {
    let lslocks = "find out by lslocks(8) which process has it";
    let (patience, why, advice) = match lock {
        Lock::Ours(_) | Lock::Lost => (PATIENCE, "other starts come first".into(), "try again later"),
        Lock::Held(Some(Written { pid, .. })) if sys::lives(*pid) => {
            (Duration::ZERO, format!("held by process {pid}"), "stop it first, or choose another pid file")
        }
        Lock::Held(Some(Written { pid, .. })) => {
            (LAUNCHER_PATIENCE, format!("held by a process that {pid} has left"), lslocks)
        }
        Lock::Held(None) => (PATIENCE, "another start is under way, or another process holds it".into(), lslocks),
        Lock::Shared => (PATIENCE, "other processes hold shared locks of it".into(), lslocks),
    };
    if waited >= patience {
        let what = format!("lock pid file {}", path.display());
        return Err(Error::new(Step::PidFile, ErrorKind::AlreadyRunning, what, why).advise(advice));
    }
    // Between 1 and 2 ms, so that two starts do not meet again and again.
    let spread = (getpid().as_raw().unsigned_abs() + waited.subsec_nanos()) % 1000;
    thread::sleep(Duration::from_micros(1000 + u64::from(spread)));
    Ok(())
}

/// What a daemon has written into its pid file.
pub(crate) struct Written {
    pub(crate) pid: Pid,
    pub(crate) is_ready: bool,
}

/// Reads a pid file that another process has locked, once that has written it.
pub(crate) fn read(fd: &OwnedFd) -> nix::Result<Option<Written>> {
    let mut content = [0; 16];
    let length = retry(|| pread(fd, &mut content, 0))?;
    let Ok(text) = std::str::from_utf8(&content[..length]) else { return Ok(None) };
    let (pid, is_ready) = text.strip_suffix('\n').map_or((text, false), |pid| (pid, true));
    Ok(pid.parse().ok().filter(|pid| *pid > 0).map(|pid| Written { pid: Pid::from_raw(pid), is_ready }))
}

/// Takes a lock without waiting; returns whether it was to be had.
#[expect(
    deprecated,
    reason = "nix's Flock unlocks when it is dropped, also in the launcher, for all who have the file"
)]
pub(crate) fn flock(fd: &OwnedFd, lock: FlockArg) -> nix::Result<bool> {
    match retry(|| nix::fcntl::flock(fd.as_raw_fd(), lock)) {
        Err(Errno::EWOULDBLOCK) => Ok(false),
        locked => locked.map(|()| true),
    }
}

fn not_opened(path: &Path, errno: Errno) -> Error {
    let error = Error::system(Step::PidFile, lock_action(path), errno);
    match errno {
        Errno::ENOENT => error.explain(path::NO_DIRECTORY, "create it"),
        Errno::ELOOP | path::UNTRUSTED_LINK => refused(path, path::describe(errno)),
        Errno::ENXIO => refused(path, "it is not a regular file"),
        _ => error,
    }
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(Step::PidFile, ErrorKind::File, lock_action(path), why)
        .advise("correct the path, or remove what is there")
}

fn lock_action(path: &Path) -> String {
    format!("lock pid file {}", path.display())
}
