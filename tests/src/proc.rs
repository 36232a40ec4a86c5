//! A process as /proc shows it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// One look at a process.
#[derive(Clone, Debug)]
pub struct Proc {
    /// Process id.
    pub pid: i32,
    /// The name of its program, as the kernel cuts it.
    pub name: String,
    /// `R`, `S`, `Z` and so on.
    pub state: char,
    /// Parent.
    pub ppid: i32,
    /// Process group.
    pub pgid: i32,
    /// Session.
    pub sid: i32,
    /// Device number of the controlling terminal; 0 is none.
    pub tty: i32,
    /// How many threads it has.
    pub threads: u32,
    /// File mode creation mask.
    pub umask: u32,
    /// Real, effective, saved and file system user.
    pub uids: [u32; 4],
    /// Real, effective, saved and file system group.
    pub gids: [u32; 4],
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Signals that are blocked.
    pub blocked: Signals,
    /// Signals that are ignored.
    pub ignored: Signals,
    /// Signals that have a handler.
    pub caught: Signals,
    /// Capability sets by their names: `CapInh`, `CapPrm`, `CapEff`, `CapBnd`, `CapAmb`.
    pub capabilities: BTreeMap<String, u64>,
    /// Whether execve can give it no new privileges.
    pub no_new_privileges: bool,
    /// Working directory.
    pub cwd: PathBuf,
    /// Root directory.
    pub root: PathBuf,
    /// Open descriptors and what they lead to.
    pub fds: BTreeMap<i32, PathBuf>,
}

/// A set of signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signals(u64);

impl Signals {
    /// The numbers of its members, but for 32 and 33: the C library keeps these for its threads and lets no program see or set
    /// them, so that they stay as whoever has started the tests had them.
    pub fn numbers(self) -> Vec<i32> {
        (1..=64).filter(|number| ![32, 33].contains(number) && self.0 >> (number - 1) & 1 == 1).collect()
    }
}

impl Proc {
    /// The living process `pid`. A zombie is dead: process 1 of a container may take its time to reap one.
    pub fn of(pid: i32) -> Option<Proc> {
        let at = Path::new("/proc").join(pid.to_string());
        let stat = read_text(at.join("stat")).ok()?;
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(") ")?;
        let stat: Vec<&str> = rest.split(' ').collect();
        let state = stat[0].chars().next()?;
        if matches!(state, 'Z' | 'X') {
            return None;
        }
        let status = fields(&at.join("status"))?;
        let numbers = |name| -> Option<Vec<u32>> {
            status.get(name)?.split_whitespace().map(|number| number.parse().ok()).collect()
        };
        let set = |name| u64::from_str_radix(status.get(name)?, 16).ok();
        Some(Proc {
            pid,
            name: name.to_owned(),
            state,
            ppid: stat[1].parse().ok()?,
            pgid: stat[2].parse().ok()?,
            sid: stat[3].parse().ok()?,
            tty: stat[4].parse().ok()?,
            threads: numbers("Threads")?[0],
            // Gone between the two files: a dying process has no mask any more.
            umask: u32::from_str_radix(status.get("Umask")?, 8).ok()?,
            uids: numbers("Uid")?.try_into().ok()?,
            gids: numbers("Gid")?.try_into().ok()?,
            groups: numbers("Groups")?,
            blocked: Signals(set("SigBlk")?),
            ignored: Signals(set("SigIgn")?),
            caught: Signals(set("SigCgt")?),
            capabilities: status
                .iter()
                .filter(|(name, _)| name.starts_with("Cap"))
                .filter_map(|(name, set)| Some((name.clone(), u64::from_str_radix(set, 16).ok()?)))
                .collect(),
            no_new_privileges: status.get("NoNewPrivs")? == "1",
            cwd: fs::read_link(at.join("cwd")).ok()?,
            root: fs::read_link(at.join("root")).ok()?,
            fds: descriptors(&at.join("fd"))?,
        })
    }

    /// Where a path that the process has is seen from outside, whatever root directory and mounts it has.
    pub fn outside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid));
        root.join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// Whether `pid` lives; cheaper than [`Proc::of`].
    pub fn lives(pid: i32) -> bool {
        let stat = read_text(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
    }

    /// The living processes that were started with `variable`, `NAME=value`, in their environment.
    pub fn started_with(variable: &str) -> Vec<i32> {
        let has_it = |pid: &i32| Proc::environ(*pid).iter().any(|one| one == variable.as_bytes());
        processes().into_iter().filter(has_it).filter(|pid| Proc::lives(*pid)).collect()
    }

    /// How many children of `pid` are dead and not waited for.
    pub fn zombies(pid: i32) -> usize {
        let is_one = |child: &i32| {
            let stat = read_text(format!("/proc/{child}/stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(&format!("Z {pid} ")))
        };
        processes().iter().filter(|child| is_one(child)).count()
    }

    /// The environment that `pid` was started with: what it set or unset later is not seen.
    pub fn environ(pid: i32) -> Vec<Vec<u8>> {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
    }

    /// What /proc/PID/status says of `pid`, by the names of its lines: for what [`Proc`] has no field.
    pub fn status(pid: i32) -> Option<BTreeMap<String, String>> {
        fields(&Path::new("/proc").join(pid.to_string()).join("status"))
    }

    /// What /proc/PID/fdinfo says of descriptor `fd`: `pos`, `flags`, `lock` and so on; of several locks the last.
    pub fn fdinfo(pid: i32, fd: i32) -> Option<BTreeMap<String, String>> {
        fields(&Path::new("/proc").join(format!("{pid}/fdinfo/{fd}")))
    }

    /// Whether an orphan of the process that runs this comes to `pid`: whether that is one of its ancestors.
    pub fn is_reaper(pid: i32) -> bool {
        // Not `of`: these may be other users', whose descriptors are nobody's business.
        let parent = |pid: i32| {
            let stat = read_text(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
        };
        let mut ancestor = Some(std::process::id() as i32);
        while let Some(this) = ancestor.filter(|this| *this > 0) {
            if this == pid {
                return true;
            }
            ancestor = parent(this);
        }
        false
    }
}

/// The ids of all processes, zombies too.
pub fn processes() -> Vec<i32> {
    let directory = fs::read_dir("/proc").expect("/proc is mounted");
    directory.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// The lines of a file, which are a name, a colon and a value each.
fn fields(path: &Path) -> Option<BTreeMap<String, String>> {
    let text = read_text(path).ok()?;
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    Some(fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect())
}

fn descriptors(directory: &Path) -> Option<BTreeMap<i32, PathBuf>> {
    let entries = fs::read_dir(directory).ok()?;
    Some(
        entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let target = fs::read_link(entry.path()).ok()?;
                Some((std::str::from_utf8(entry.file_name().as_bytes()).ok()?.parse().ok()?, target))
            })
            .collect(),
    )
}

/// A name in there may be no text.
fn read_text(path: impl AsRef<Path>) -> std::io::Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}
