//! The pid file: one instance, daemon(7), step 12. It is locked for as long as the daemon lives, complete while it runs, and
//! gone when it has ended.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FlockArg, OFlag, open};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, lstat};
use nix::sys::uio::pread;
use nix::unistd::{Pid, fchown, ftruncate, geteuid, getpid, unlink};

use crate::error::{Error, ErrorKind, Result, Step, errno_of};
use crate::step::credentials::Credentials;
use crate::step::directory::path_in_root;
use crate::step::file::is_regular;
use crate::sys::{self, FileId, retry};

const MODE: Mode = Mode::from_bits_truncate(0o644);
/// No symbolic link, because root may be writing in another's directory; no FIFO or device may hang the start.
pub(crate) const READ_FLAGS: OFlag =
    OFlag::O_CLOEXEC.union(OFlag::O_NOFOLLOW).union(OFlag::O_NONBLOCK).union(OFlag::O_NOCTTY);
const FLAGS: OFlag = OFlag::O_RDWR.union(READ_FLAGS);
/// How long a start waits for another one, which has the lock, to write its pid.
const PATIENCE: Duration = Duration::from_secs(5);

/// A pid file that this start has locked. It is removed when this is dropped, unless it is
/// [kept](PidFile::keep_for_life).
///
/// The lock belongs to the open file description, so that it passes from the launcher to the daemon with the fork:
/// flock(2). fcntl locks do not survive one.
pub(crate) struct PidFile {
    file: LockedFile,
    /// As messages show it.
    path: PathBuf,
    fd: Option<OwnedFd>,
}

/// What a signal handler needs to remove it.
struct LockedFile {
    path: CString,
    fd: RawFd,
    id: FileId,
}

impl PidFile {
    /// Creates or takes over the file and locks it; or says which process holds it.
    pub(crate) fn lock(path: &Path, credentials: &Credentials) -> Result<Self> {
        let failed = |errno| failed("lock", path, errno);
        let started = Instant::now();
        // By one name from the beginning to its end: what cannot be reached by it could not be removed by it.
        let absolute = std::path::absolute(path).map_err(|error| failed(errno_of(&error)))?;
        let absolute = c_path(&absolute).map_err(failed)?;
        let (fd, stat) = loop {
            let (fd, created) = match open_or_create(&absolute) {
                // Another start has created it in between.
                Err(Errno::EEXIST) => continue,
                Err(Errno::ELOOP) => return Err(refused(path, "it is a symbolic link")),
                Err(Errno::ENXIO) => return Err(refused(path, "it is not a regular file")),
                opened => opened.map_err(failed)?,
            };
            match try_lock(path, &absolute, &fd) {
                Ok(LockAttempt::Locked(stat)) => break (fd, stat),
                Ok(LockAttempt::Held) => wait_for_holder(path, &fd, started)?,
                Ok(LockAttempt::Replaced) => {}
                Err(error) => {
                    if created {
                        // This failure is what there is to say; an empty file that stays blocks no start.
                        let _ = unlink(absolute.as_c_str());
                    }
                    return Err(error);
                }
            }
        };
        let file = LockedFile { path: absolute, fd: fd.as_raw_fd(), id: FileId::from(&stat) };
        let locked = PidFile { file, path: path.to_owned(), fd: Some(fd) };
        let fd = locked.fd.as_ref().expect("it was put there");
        if stat.st_uid != geteuid().as_raw() {
            // Another user's daemon has left it: root's `Instance` would not trust it with this one's pid. A file server
            // that knows no root refuses this, which is no reason not to start.
            let _ = retry(|| fchown(fd, Some(geteuid()), None));
        }
        credentials.give_file(fd).map_err(|errno| self::failed("give away", path, errno))?;
        retry(|| ftruncate(fd, 0)).map_err(failed)?;
        Ok(locked)
    }

    pub(crate) fn fd(&self) -> RawFd {
        self.file.fd
    }

    /// Writes this process's pid.
    pub(crate) fn write(&self) -> Result<()> {
        let failed = |errno| failed("write", &self.path, errno);
        let line = format!("{}\n", getpid());
        let fd = self.fd.as_ref().expect("it is there until `keep_for_life`");
        // A regular file takes so short a line whole, or not at all.
        match retry(|| nix::unistd::write(fd, line.as_bytes())).map_err(failed)? {
            written if written == line.len() => sys::mark(fd).map_err(failed),
            _ => Err(failed(Errno::ENOSPC)),
        }
    }

    /// Keeps the lock for the life of this process, which removes the file at its end.
    pub(crate) fn keep_for_life(mut self, root: Option<&Path>) -> Result<()> {
        let failed = |errno| failed("register", &self.path, errno);
        let outside = Path::new(std::ffi::OsStr::from_bytes(self.file.path.as_bytes()));
        // Where a new root hides it, the file can only be emptied.
        let path = c_path(&path_in_root(root, outside).unwrap_or_default()).map_err(failed)?;
        let file = LockedFile { path, fd: self.file.fd, id: self.file.id };
        if KEPT.set(Kept { file, by: getpid() }).is_err() {
            let why = "this process is a daemon already";
            return Err(
                Error::new(Step::PidFile, ErrorKind::Misuse, lock_action(&self.path), why).advise("start it once only")
            );
        }
        sys::at_exit(remove_kept).map_err(failed)?;
        sys::at_fork_in_child(close_kept).map_err(failed)?;
        // Never closed: with it would go the lock.
        std::mem::forget(self.fd.take());
        Ok(())
    }
}

impl Drop for PidFile {
    /// Undoes what the start has done.
    fn drop(&mut self) {
        if self.fd.is_some() {
            self.file.remove();
        }
    }
}

impl LockedFile {
    /// Removes the file if its path still leads to it; where the directory does not allow that, empties it.
    /// Async-signal-safe.
    fn remove(&self) {
        let is_ours = is_same_file(&self.path, self.id).unwrap_or(false);
        if !is_ours || retry(|| unlink(self.path.as_c_str())).is_err() {
            // An empty file, or one that was replaced and has no name any more, prevents no start.
            let _ = sys::truncate(self.fd);
        }
    }
}

/// The pid file of this process, which is the daemon.
struct Kept {
    file: LockedFile,
    by: Pid,
}

static KEPT: OnceLock<Kept> = OnceLock::new();

/// Removes the pid file of this process, unless it only is a forked child of the daemon. Async-signal-safe.
pub(crate) extern "C" fn remove_kept() {
    if let Some(kept) = KEPT.get().filter(|kept| kept.by == getpid()) {
        kept.file.remove();
    }
}

/// Closes a forked child's copy of the lock, which would outlive a daemon that is killed. Async-signal-safe.
extern "C" fn close_kept() {
    static CLOSED: AtomicBool = AtomicBool::new(false);
    // Once on the way down: the child may use the number for something else, which its own children inherit.
    if let Some(kept) = KEPT.get().filter(|_| !CLOSED.swap(true, Ordering::Relaxed)) {
        // The child knows nothing of it; and a lock that it keeps all the same is named by its error.
        let _ = nix::unistd::close(kept.file.fd);
    }
}

/// Returns when the lock is worth another try; or says who has it, as soon as that is written.
fn wait_for_holder(path: &Path, fd: &OwnedFd, started: Instant) -> Result<()> {
    let why = match read_pid(fd).map_err(|errno| failed("read", path, errno))? {
        Some(pid) => format!("held by process {pid}"),
        None if started.elapsed() > PATIENCE => "held by a process that has not written its pid".into(),
        None => {
            thread::sleep(Duration::from_millis(2));
            return Ok(());
        }
    };
    Err(Error::new(Step::PidFile, ErrorKind::AlreadyRunning, lock_action(path), why)
        .advise("stop it first or choose another pid_file"))
}

/// The pid in a pid file that another process has locked, once that has written it.
pub(crate) fn read_pid(fd: &OwnedFd) -> nix::Result<Option<Pid>> {
    // What is there before is an earlier daemon's.
    if !sys::is_marked(fd)? {
        return Ok(None);
    }
    let mut content = [0; 16];
    let length = retry(|| pread(fd, &mut content, 0))?;
    let line = content[..length].strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
    Ok(line.and_then(|line| line.parse().ok()).filter(|pid| *pid > 0).map(Pid::from_raw))
}

/// Opens the file, or creates it, and tells which.
///
/// Not by O_CREAT alone: fs.protected_regular of proc_sys_fs(5) refuses that, even to root, for another's file in a
/// directory like /tmp.
fn open_or_create(path: &CStr) -> nix::Result<(OwnedFd, bool)> {
    match retry(|| open(path, FLAGS, MODE)) {
        Err(Errno::ENOENT) => {
            retry(|| open(path, FLAGS | OFlag::O_CREAT | OFlag::O_EXCL, MODE)).map(|created| (created, true))
        }
        opened => opened.map(|fd| (fd, false)),
    }
}

enum LockAttempt {
    /// And what it was before.
    Locked(FileStat),
    /// Another process has the lock.
    Held,
    /// The daemon that had the lock has removed the file since it was opened: this is nobody's lock.
    Replaced,
}

/// Locks what was opened, if it is a file that may be a pid file, and still is the one at its path.
fn try_lock(path: &Path, absolute: &CStr, fd: &OwnedFd) -> Result<LockAttempt> {
    let failed = |errno| failed("lock", path, errno);
    let stat = retry(|| fstat(fd)).map_err(failed)?;
    if !is_regular(&stat) {
        return Err(refused(path, "it is not a regular file"));
    }
    // Made by a user in a directory of his, this could be a file that is none of his business.
    if stat.st_nlink > 1 {
        return Err(refused(path, "it has several names"));
    }
    match retry(|| flock(fd, FlockArg::LockExclusiveNonblock)) {
        Ok(()) => {}
        Err(Errno::EWOULDBLOCK) => return Ok(LockAttempt::Held),
        Err(errno) => return Err(failed(errno)),
    }
    match is_same_file(absolute, FileId::from(&stat)) {
        Ok(true) => {}
        Ok(false) | Err(Errno::ENOENT) => return Ok(LockAttempt::Replaced),
        Err(errno) => return Err(failed(errno)),
    }
    // Whatever the umask of the shell is. It fails for a file that is another user's, which so stays as it is.
    retry(|| fchmod(fd, MODE)).map_err(failed)?;
    Ok(LockAttempt::Locked(stat))
}

/// Whether the path leads to this file. Async-signal-safe.
fn is_same_file(path: &CStr, id: FileId) -> nix::Result<bool> {
    retry(|| lstat(path)).map(|stat| FileId::from(&stat) == id)
}

#[expect(
    deprecated,
    reason = "nix's Flock unlocks when it is dropped, also in the launcher, for all who have the file"
)]
pub(crate) fn flock(fd: &OwnedFd, lock: FlockArg) -> nix::Result<()> {
    nix::fcntl::flock(fd.as_raw_fd(), lock)
}

fn c_path(path: &Path) -> nix::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)
}

fn lock_action(path: &Path) -> String {
    format!("lock pid file {}", path.display())
}

fn refused(path: &Path, why: &str) -> Error {
    Error::new(Step::PidFile, ErrorKind::File, lock_action(path), why)
        .advise("correct the path, or remove what is there")
}

fn failed(verb: &str, path: &Path, errno: Errno) -> Error {
    Error::system(Step::PidFile, format!("{verb} pid file {}", path.display()), errno)
}
