//! Which process holds the lock of a pid file, for messages: proc_locks(5), and the locks in proc_pid_fdinfo(5).

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use std::{fmt, fs};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, geteuid};

use crate::{procfs, sys};

/// How long a start may take until it has written its pid.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// How long somebody may hold a shared lock, who only looks whether the daemon runs.
const GLANCE: Duration = Duration::from_secs(1);
/// How long the launcher may hold the lock of a daemon that has ended, which it has to clear away.
pub(crate) const LAUNCHER_PATIENCE: Duration = Duration::from_secs(1);
/// Before that nobody is looked for: most starts have written their pid by then.
const FIRST_LOOK: Duration = Duration::from_millis(20);

/// Why a pid file that is locked cannot be had, or has no daemon; and what to do.
pub(crate) struct Held {
    pub(crate) why: String,
    pub(crate) advice: &'static str,
}

/// Checks that the process whose pid is in a locked pid file is there and holds the lock, as far as that can be seen.
pub(crate) fn check_daemon(pid_file: &OwnedFd, pid: Pid) -> Result<(), Held> {
    let (lock, has_ended) = (Lock::on(pid_file), has_ended(pid));
    if !has_ended && lock.as_ref().and_then(|lock| lock.openings(pid)).is_none_or(|openings| !openings.is_empty()) {
        return Ok(());
    }
    let holder = lock.and_then(|lock| lock.holder());
    Err(match holder {
        Some(holder) if has_ended && !holder.is_in_namespace_as(pid) => Held {
            why: format!("the daemon, process {pid}, has ended, but {holder}, which it has started, holds the lock"),
            advice: "end that process",
        },
        None if has_ended => Held {
            why: format!("the daemon, process {pid}, is not seen here, and the lock is held"),
            advice: "look in its pid namespace, or container; or end what it has left: lslocks(8) or fuser(1) shows it",
        },
        _ => Held {
            why: format!("process {pid} does not hold it"),
            advice: "ask in the pid namespace, or container, of the daemon",
        },
    })
}

/// Looks who has locked a pid file, of the user `owner`, in which no pid is written yet. `None` if that can be a start which
/// is under way, and should be given more time.
pub(crate) fn check_start(pid_file: &OwnedFd, owner: u32, waited: Duration) -> Option<Held> {
    if waited < FIRST_LOOK {
        return None;
    }
    match Lock::on(pid_file).and_then(|lock| lock.holder()) {
        Some(holder) if holder.is_stranger(owner) || !holder.is_exclusive && waited > GLANCE => Some(Held {
            why: format!("held by {holder}, which is no daemon of this pid file"),
            advice: "end it, and put the pid file into a directory that strangers cannot enter",
        }),
        _ if waited < START_PATIENCE => None,
        holder => {
            let holder = holder.map_or("a process".into(), |holder| holder.to_string());
            let why = format!("held by {holder}, which has not written its pid");
            Some(Held { why, advice: "find out what it does, and end it or choose another pid_file" })
        }
    }
}

/// Whether there is no such process, or it waits to be reaped.
pub(crate) fn has_ended(pid: Pid) -> bool {
    kill(pid, None) == Err(Errno::ESRCH) || stat(pid).is_some_and(|stat| stat.starts_with('Z'))
}

/// When a process has begun, in clock ticks since the machine has.
pub(crate) fn start_time(pid: Pid) -> Option<u64> {
    stat(pid)?.split(' ').nth(19)?.parse().ok()
}

/// proc_pid_stat(5) from the third field on, the state. The second, a name, may hold anything.
fn stat(pid: Pid) -> Option<String> {
    let stat = procfs::read(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}

/// A lock of flock(2), as /proc shows it.
struct Lock {
    /// Device and inode, between spaces.
    place: String,
}

impl Lock {
    fn on(file: &OwnedFd) -> Option<Self> {
        // Not the device of stat(2): on btrfs and overlay file systems that is another one.
        let info = procfs::read(format!("/proc/self/fdinfo/{}", file.as_raw_fd())).ok()?;
        let mount = info.lines().find_map(|line| line.strip_prefix("mnt_id:"))?.trim();
        let mounts = procfs::read("/proc/self/mountinfo").ok()?;
        let mut mounts = mounts.lines().map(|line| line.split(' '));
        let (major, minor) = mounts
            .find_map(|mut fields| fields.next().filter(|id| *id == mount).and(fields.nth(1)))?
            .split_once(':')?;
        let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
        let inode = sys::file_id(file.as_raw_fd()).ok()?.inode;
        Some(Lock { place: format!(" {major:02x}:{minor:02x}:{inode} ") })
    }

    /// Finds a process that holds it: who has locked it, or if that has ended, who has it open all the same. Not where /proc is
    /// hidden, nor in another pid namespace.
    fn holder(&self) -> Option<LockHolder> {
        let locks = procfs::read("/proc/locks").unwrap_or_default();
        // The second field of a line about somebody who waits is another one.
        let locked = locks.lines().filter(|line| line.contains(&self.place)).find_map(|line| {
            let mut fields = line.split_ascii_whitespace().skip(1);
            let is_exclusive = fields.next().filter(|kind| *kind == "FLOCK").and(fields.nth(1))? == "WRITE";
            Some((Pid::from_raw(fields.next()?.parse().ok()?), is_exclusive))
        });
        let found = |pid| Some((pid, self.openings(pid)?)).filter(|(_, openings)| !openings.is_empty());
        let others = || {
            let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
            let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
            numbers.map(Pid::from_raw).find_map(found)
        };
        let (pid, openings) = match locked {
            // It may not be looked at.
            Some((pid, _)) if !has_ended(pid) && self.openings(pid).is_none() => (pid, Vec::new()),
            locked => locked.and_then(|(pid, _)| found(pid)).or_else(others)?,
        };
        let can_write = |info: &String| info.lines().any(|line| line.starts_with("flags:") && !line.ends_with('0'));
        let only_reads = !openings.is_empty() && !openings.iter().any(can_write);
        // Of one that was locked by a process which has ended, a pid namespace shows no more.
        Some(LockHolder { pid, is_exclusive: locked.is_none_or(|(_, is_exclusive)| is_exclusive), only_reads })
    }

    /// What /proc says of each descriptor by which a process has the locked file open; `None` if that cannot be seen.
    fn openings(&self, pid: Pid) -> Option<Vec<String>> {
        let listed = fs::read_dir(format!("/proc/{pid}/fdinfo")).ok()?;
        let mut seen = listed.filter_map(|entry| procfs::read(entry.ok()?.path()).ok()).peekable();
        // It has none at all when it is about to end.
        seen.peek()?;
        let is_lock = |line: &str| line.starts_with("lock:") && line.contains(" FLOCK ") && line.contains(&self.place);
        Some(seen.filter(|info| info.lines().any(is_lock)).collect())
    }
}

/// A process that holds the lock.
struct LockHolder {
    pid: Pid,
    is_exclusive: bool,
    only_reads: bool,
}

impl LockHolder {
    /// Whether this certainly is no start under way of a daemon whose pid file belongs to `owner`.
    fn is_stranger(&self, owner: u32) -> bool {
        let uid = fs::metadata(format!("/proc/{}", self.pid)).map(|process| process.uid());
        let is_foreign = uid.is_ok_and(|uid| ![0, owner, geteuid().as_raw()].contains(&uid));
        self.is_exclusive && (is_foreign || self.only_reads)
    }

    /// Whether it has this pid in the innermost of its pid namespaces.
    fn is_in_namespace_as(&self, pid: Pid) -> bool {
        let status = procfs::read(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
        pids.split_ascii_whitespace().next_back() == Some(&pid.to_string())
    }
}

impl fmt::Display for LockHolder {
    /// `process 4711 (vim)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match procfs::read(format!("/proc/{}/comm", self.pid)) {
            Ok(name) => write!(f, " ({})", name.trim_end()),
            Err(_) => Ok(()),
        }
    }
}
