//! Which process holds a lock, for messages: proc_locks(5).

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::Pid;

use crate::sys::FileId;

/// A process that holds a lock of flock(2).
pub(crate) struct LockHolder {
    pub(crate) pid: Pid,
    /// `None` if it has ended: a child that it has cloned holds the lock on.
    owner: Option<u32>,
    is_exclusive: bool,
}

impl LockHolder {
    /// Finds it, as far as it can be seen: not where /proc is hidden, nor from another pid namespace.
    pub(crate) fn find(file: FileId) -> Option<LockHolder> {
        let locks = fs::read_to_string("/proc/locks").ok()?;
        locks.lines().find_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let [_, "FLOCK", _, kind, pid, place, ..] = fields[..] else { return None };
            // The device is left out: on btrfs and overlay file systems it is another one than that of stat(2).
            let inode: u64 = place.rsplit_once(':')?.1.parse().ok()?;
            let pid: i32 = pid.parse().ok().filter(|pid| *pid > 0 && inode == file.inode)?;
            let owner = fs::metadata(format!("/proc/{pid}")).ok().map(|process| process.uid());
            Some(LockHolder { pid: Pid::from_raw(pid), owner, is_exclusive: kind == "WRITE" })
        })
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.owner.is_none()
    }

    /// Whether this certainly is no start under way of a daemon whose pid file belongs to `owner`.
    pub(crate) fn is_stranger(&self, owner: u32) -> bool {
        // An `Instance` of anybody holds a shared lock for a moment.
        let is_foreign = self.owner.is_some_and(|uid| ![0, owner, nix::unistd::geteuid().as_raw()].contains(&uid));
        self.is_exclusive && (is_foreign || self.only_reads())
    }

    /// Whether the process has only files open that it cannot write to: fdinfo of proc_pid_fdinfo(5).
    fn only_reads(&self) -> bool {
        let listed = fs::read_dir(format!("/proc/{}/fdinfo", self.pid)).into_iter().flatten().flatten();
        let locked = listed.filter_map(|entry| fs::read_to_string(entry.path()).ok());
        let mut locked = locked.filter(|info| info.contains("FLOCK")).peekable();
        let can_write = |info: String| info.lines().any(|line| line.starts_with("flags:") && !line.ends_with('0'));
        locked.peek().is_some() && !locked.any(can_write)
    }
}

impl std::fmt::Display for LockHolder {
    /// `process 4711 (vim)`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {}", self.pid)?;
        match fs::read_to_string(format!("/proc/{}/comm", self.pid)) {
            Ok(name) => write!(f, " ({})", name.trim_end()),
            Err(_) => Ok(()),
        }
    }
}
