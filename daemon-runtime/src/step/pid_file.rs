//! The pid file: one instance, daemon(7), step 12. It is locked for as long as the daemon lives, complete while it runs, and
//! gone when it has ended.

use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FlockArg, OFlag};
use nix::libc;
use nix::sys::stat::{Mode, fchmod};
use nix::sys::uio::pread;
use nix::unistd::{Pid, fchown, ftruncate, geteuid, getpid};

use crate::daemon_process::is_daemon;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::step::credentials::Credentials;
use crate::step::file::{self, FilePath};
use crate::step::lock_holder::{Held, LAUNCHER_PATIENCE, check_daemon, check_start};
use crate::sys::{self, FileId, FileStatus, Published, retry};

const MODE: Mode = Mode::from_bits_truncate(0o644);
/// Until it is locked nobody else may open it, and lock it first.
const MODE_UNLOCKED: Mode = Mode::from_bits_truncate(0o600);

/// The byte that is marked once the pid is written.
const WRITTEN: u8 = 0;
/// The byte that is marked once the daemon is ready.
const READY: u8 = 1;

/// A pid file that this start has locked. It is removed when this is dropped, unless it is
/// [kept](PidFile::keep_for_life).
///
/// The lock belongs to the open file description, so that it passes from the launcher to the daemon with the fork:
/// flock(2). fcntl locks do not survive one.
pub(crate) struct PidFile {
    file: LockedFile,
    /// As messages show it.
    path: PathBuf,
    /// Inside a new root.
    path_in_root: FilePath,
    fd: Option<OwnedFd>,
}

/// What a signal handler needs to remove it.
struct LockedFile {
    path: FilePath,
    fd: RawFd,
    id: FileId,
}

impl PidFile {
    /// Creates or takes over the file and locks it; or says which process holds it.
    pub(crate) fn lock(path: &Path, root: Option<&Path>, credentials: &Credentials) -> Result<Self> {
        let failed = |errno| failed("lock", path, errno);
        let started = Instant::now();
        // By one name from the beginning to its end: what cannot be reached by it could not be removed by it.
        let full_path =
            FilePath::new(path, !credentials.is_unchanged(), false).map_err(|errno| not_opened(path, errno))?;
        let (fd, status, is_new) = loop {
            let (fd, created) = match open_or_create(&full_path) {
                // Another start has created it in between.
                Err(Errno::EEXIST) => continue,
                opened => opened.map_err(|errno| not_opened(path, errno))?,
            };
            match try_lock(path, &full_path, &fd) {
                Ok(LockAttempt::Locked(status)) => break (fd, status, created),
                Ok(LockAttempt::Held(status)) => wait_for_holder(path, &fd, &status, started)?,
                Ok(LockAttempt::Replaced) => {}
                Err(error) => {
                    if created {
                        // This failure is what there is to say; an empty file that stays blocks no start.
                        let _ = full_path.remove_if(|status| status.is_empty);
                    }
                    return Err(error);
                }
            }
        };
        // File systems without modes or owners refuse this and the next, which is no reason not to start. Another user's file,
        // which everybody may write to, is left as it is.
        let is_foreign = !is_new && status.owner != geteuid().as_raw();
        match retry(|| fchmod(&fd, MODE)) {
            Err(errno) if is_foreign => return Err(failed(errno)),
            _ => {}
        }
        let path_in_root = full_path.clone().seen_in(root, status.id);
        let file = LockedFile { path: full_path, fd: fd.as_raw_fd(), id: status.id };
        let locked = PidFile { file, path: path.to_owned(), path_in_root, fd: Some(fd) };
        let fd = locked.fd.as_ref().expect("it was put there");
        if status.owner != geteuid().as_raw() {
            // Another user's daemon has left it: root's `Instance` would not trust it with this one's pid.
            let _ = retry(|| fchown(fd, Some(geteuid()), None));
        }
        credentials.give_file(fd, &locked.file.path).map_err(|errno| self::failed("give away", path, errno))?;
        retry(|| ftruncate(fd, 0)).map_err(failed)?;
        Ok(locked)
    }

    /// Writes this process's pid, and keeps the file.
    pub(crate) fn publish(self) -> Result<ReadyMark> {
        self.write()?;
        self.keep_for_life()
    }

    fn write(&self) -> Result<()> {
        let failed = |errno| failed("write", &self.path, errno);
        let line = format!("{}\n", getpid());
        let fd = self.fd.as_ref().expect("it is there until `keep_for_life`");
        // A regular file takes so short a line whole, or not at all.
        match retry(|| nix::unistd::write(fd, line.as_bytes())).map_err(failed)? {
            written if written == line.len() => mark(fd, WRITTEN, &self.path),
            _ => Err(failed(Errno::ENOSPC)),
        }
    }

    /// Keeps the lock for the life of this process, which removes the file at its end. Returns what the daemon needs to
    /// mark it as ready.
    fn keep_for_life(mut self) -> Result<ReadyMark> {
        static REGISTERED: AtomicBool = AtomicBool::new(false);
        let failed = |errno| failed("register", &self.path, errno);
        // Both outlive a fork.
        if !REGISTERED.swap(true, Ordering::Relaxed) {
            sys::at_exit(remove_kept).map_err(failed)?;
        }
        KEPT.publish(LockedFile { path: self.path_in_root.clone(), fd: self.file.fd, id: self.file.id });
        // Never closed: with it would go the lock.
        let fd = self.fd.take().expect("it is kept once");
        Ok(ReadyMark { path: std::mem::take(&mut self.path), id: self.file.id, fd: ManuallyDrop::new(fd) })
    }
}

/// The kept pid file of a daemon that is not ready yet.
#[derive(Debug)]
pub(crate) struct ReadyMark {
    path: PathBuf,
    id: FileId,
    fd: ManuallyDrop<OwnedFd>,
}

impl ReadyMark {
    /// Tells those who look at the pid file that the daemon is ready.
    pub(crate) fn set(&self) -> Result<()> {
        // A body that has closed all descriptors, as old textbooks say, may have another file at this number.
        match sys::file_id(self.fd.as_raw_fd()) {
            Ok(id) if id == self.id => mark(&self.fd, READY, &self.path),
            _ => Ok(()),
        }
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
        if self.path.remove_if(|status| status.id == self.id).is_err() {
            self.empty();
        }
    }

    fn empty(&self) {
        // The program may have closed the descriptor, and have another file at this number.
        if sys::file_id(self.fd) == Ok(self.id) {
            // An empty file, or one that was replaced and has no name any more, prevents no start.
            let _ = sys::truncate(self.fd);
        }
    }
}

/// The pid file of the daemon.
static KEPT: Published<LockedFile> = Published::nothing();

pub(crate) fn is_kept() -> bool {
    KEPT.get().is_some()
}

/// Removes the daemon's pid file; in a forked child of the daemon it does nothing. Async-signal-safe.
pub(crate) extern "C" fn remove_kept() {
    if let Some(kept) = KEPT.get().filter(|_| is_daemon()) {
        kept.remove();
    }
}

/// Closes a forked child's copy of the lock, which would outlive a daemon that is killed. Async-signal-safe.
///
/// Once on the way down: the child may use the number for something else, which its own children inherit.
pub(crate) fn close_in_child() {
    if let Some(kept) = KEPT.withdraw().filter(|kept| sys::file_id(kept.fd) == Ok(kept.id)) {
        // The child knows nothing of it; and a lock that it keeps all the same is named by its error.
        let _ = nix::unistd::close(kept.fd);
    }
}

/// Returns when the lock is worth another try; or says who has it, as soon as that is known.
fn wait_for_holder(path: &Path, fd: &OwnedFd, status: &FileStatus, started: Instant) -> Result<()> {
    let read = || read_pid(fd).map_err(|errno| failed("read", path, errno));
    let held = match read()? {
        Some(pid) => match check_daemon(fd, pid) {
            Ok(()) => {
                let why = format!("held by process {pid}");
                Some(Held { why, advice: "stop it first or choose another pid_file" })
            }
            // It has just ended if nobody holds it now.
            Err(_) if read()? != Some(pid) => return Ok(()),
            Err(held) => Some(held).filter(|_| started.elapsed() >= LAUNCHER_PATIENCE),
        },
        None => check_start(fd, status.owner, started.elapsed()),
    };
    match held {
        Some(Held { why, advice }) => {
            Err(Error::new(Step::PidFile, ErrorKind::AlreadyRunning, lock_action(path), why).advise(advice))
        }
        None => {
            thread::sleep(Duration::from_millis(2));
            Ok(())
        }
    }
}

/// The pid in a pid file that another process has locked, once that has written it.
pub(crate) fn read_pid(fd: &OwnedFd) -> nix::Result<Option<Pid>> {
    // What is there before is an earlier daemon's.
    if !sys::is_marked(fd, WRITTEN)? {
        return Ok(None);
    }
    let mut content = [0; 16];
    let length = retry(|| pread(fd, &mut content, 0))?;
    let line = content[..length].strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
    Ok(line.and_then(|line| line.parse().ok()).filter(|pid| *pid > 0).map(Pid::from_raw))
}

fn mark(fd: &OwnedFd, byte: u8, path: &Path) -> Result<()> {
    sys::mark(fd, byte).map_err(|errno| match errno {
        // By a lock for reading, which whoever may read it can have.
        Errno::EAGAIN | Errno::EACCES => {
            let (what, why) = (format!("mark pid file {}", path.display()), "another process has locked a part of it");
            Error::new(Step::PidFile, ErrorKind::AlreadyRunning, what, why).advise(
                "find it by lslocks(8) and end it, and put the pid file into a directory that strangers cannot enter",
            )
        }
        errno => failed("mark", path, errno),
    })
}

/// Whether the daemon that has locked a pid file has said that it is ready.
pub(crate) fn is_marked_ready(fd: &OwnedFd) -> nix::Result<bool> {
    sys::is_marked(fd, READY)
}

/// Opens the file, or creates it, and tells which. No symbolic link, because root may be writing in another's directory.
///
/// Not by O_CREAT alone: fs.protected_regular of proc_sys_fs(5) refuses that, even to root, for another's file in a
/// directory like /tmp.
fn open_or_create(path: &FilePath) -> nix::Result<(OwnedFd, bool)> {
    match path.open(OFlag::O_RDWR, MODE) {
        Err(Errno::ENOENT) => path.create(OFlag::O_RDWR, MODE_UNLOCKED).map(|created| (created, true)),
        opened => opened.map(|fd| (fd, false)),
    }
}

enum LockAttempt {
    /// And what it was before.
    Locked(FileStatus),
    /// Another process has the lock.
    Held(FileStatus),
    /// The daemon that had the lock has removed the file since it was opened: this is nobody's lock.
    Replaced,
}

/// Locks what was opened, if it is a file that may be a pid file, and still is the one at its path.
fn try_lock(path: &Path, full_path: &FilePath, fd: &OwnedFd) -> Result<LockAttempt> {
    let failed = |errno| failed("lock", path, errno);
    let status = sys::file_status(fd.as_raw_fd()).map_err(failed)?;
    if status.kind != libc::S_IFREG {
        return Err(refused(path, "it is not a regular file"));
    }
    // Made by a user in a directory of his, this could be a file that is none of his business.
    if status.names > 1 {
        return Err(refused(path, file::describe(file::SEVERAL_NAMES)));
    }
    match retry(|| flock(fd, FlockArg::LockExclusiveNonblock)) {
        Ok(()) => {}
        Err(Errno::EWOULDBLOCK) => return Ok(LockAttempt::Held(status)),
        Err(errno) => return Err(failed(errno)),
    }
    match full_path.status() {
        Ok(there) if there.id == status.id => Ok(LockAttempt::Locked(status)),
        Ok(_) | Err(Errno::ENOENT) => Ok(LockAttempt::Replaced),
        Err(errno) => Err(failed(errno)),
    }
}

#[expect(
    deprecated,
    reason = "nix's Flock unlocks when it is dropped, also in the launcher, for all who have the file"
)]
pub(crate) fn flock(fd: &OwnedFd, lock: FlockArg) -> nix::Result<()> {
    nix::fcntl::flock(fd.as_raw_fd(), lock)
}

fn not_opened(path: &Path, errno: Errno) -> Error {
    match errno {
        Errno::ELOOP | file::UNTRUSTED_LINK => refused(path, file::describe(errno)),
        Errno::ENXIO => refused(path, "it is not a regular file"),
        errno => failed("lock", path, errno),
    }
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
