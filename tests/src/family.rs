//! Everything that a test started, and the directory it works in.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::{Mode, umask};
use nix::unistd::Pid;

use crate::{DEADLINE, Launch, Proc, until, within};

/// The environment variable that every process of a family has. Its value is the family's directory.
pub const TAG: &str = "DAEMON_TEST_FAMILY";

/// A temporary directory, and the processes that were launched with it. When it is dropped, all of these end.
#[derive(Debug)]
pub struct Family {
    directory: PathBuf,
}

impl Family {
    /// A new directory, and nobody yet.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Family {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // What the tests write themselves, other users have to read.
        umask(Mode::from_bits_retain(0o022));
        let name = format!("daemon-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().canonicalize().expect("a directory for temporary files").join(name);
        fs::create_dir(&directory).unwrap_or_else(|error| panic!("cannot create {}: {error}", directory.display()));
        Family { directory }
    }

    /// Its directory, an absolute path without links.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A path in its directory.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.join(name)
    }

    /// A program to launch.
    pub fn launch(&self, program: impl AsRef<OsStr>) -> Launch<'_> {
        Launch::new(self, program.as_ref())
    }

    /// A program to launch by way of `starter`, words such as those of [`starter`](crate::starter).
    pub fn through<S: AsRef<OsStr>>(&self, starter: &[S], program: impl AsRef<OsStr>) -> Launch<'_> {
        let words: Vec<&OsStr> = starter.iter().map(AsRef::as_ref).chain([program.as_ref()]).collect();
        self.launch(words[0]).args(&words[1..])
    }

    /// A shell command to launch, with `$0`, `$1` and so on from `words`.
    pub fn shell<S: AsRef<OsStr>>(&self, command: &str, words: impl IntoIterator<Item = S>) -> Launch<'_> {
        self.launch("sh").arg("-c").arg(command).args(words)
    }

    /// Its living processes.
    pub fn members(&self) -> Vec<i32> {
        Proc::started_with(&format!("{TAG}={}", self.directory.display()))
    }

    /// The process that reached `touch=name` in its body, see [`fixture`](crate::fixture).
    pub fn at(&self, name: &str) -> Proc {
        let mark = self.path(name);
        until(&format!("a process at {}", mark.display()), || {
            let pid = fs::read_link(&mark).ok()?.to_str()?.parse().ok()?;
            Some(Proc::of(pid).unwrap_or_else(|| panic!("process {pid} reached {name} and is dead")))
        })
    }

    /// The daemon of a fixture that reached its default body.
    pub fn daemon(&self) -> Proc {
        self.at("body")
    }

    /// The one process that is left once all others have gone: a daemon that makes no mark.
    pub fn only(&self) -> Proc {
        until("a single process of the family", || match self.members()[..] {
            [pid] => Proc::of(pid),
            _ => None,
        })
    }

    /// A process that runs the program `name`, which may be one that a daemon has become.
    pub fn named(&self, name: &str) -> Proc {
        until(&format!("a process {name}"), || {
            self.members().into_iter().filter_map(Proc::of).find(|proc| proc.name == name)
        })
    }

    /// Fails if a process of the family is still there once `limit` is over.
    pub fn assert_gone_within(&self, limit: Duration) {
        let gone = within(limit, || self.members().is_empty().then_some(()));
        let left: Vec<_> = self.members().into_iter().filter_map(Proc::of).collect();
        assert!(gone.is_some(), "processes left after {limit:?}: {left:#?}");
    }

    /// Fails if a process of the family stays.
    pub fn assert_gone(&self) {
        self.assert_gone_within(DEADLINE);
    }

    /// Fails if a process stays, or `pid_file` does, or its lock.
    pub fn assert_nothing_left(&self, pid_file: &Path) {
        self.assert_gone();
        assert!(!pid_file.exists(), "{} is left, with {:?}", pid_file.display(), fs::read_to_string(pid_file));
    }

    /// Whether somebody holds the lock of `path`.
    pub fn is_locked(path: &Path) -> bool {
        let file = fs::File::open(path).unwrap_or_else(|error| panic!("cannot open {}: {error}", path.display()));
        Flock::lock(file, FlockArg::LockExclusiveNonblock).is_err()
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        // Again until none is left, as one may fork while it is looked for.
        let ended = within(DEADLINE, || {
            let members = self.members();
            for pid in &members {
                let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
            }
            members.is_empty().then_some(())
        });
        let removed = fs::remove_dir_all(&self.directory);
        if !std::thread::panicking() {
            assert!(ended.is_some(), "a process of {} does not die", self.directory.display());
            removed.expect("the family's directory can be removed");
        }
    }
}
