//! Starts a contender, hears from its body, and leaves nothing of it behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, mkfifo};

use crate::contender::Contender;

/// Longer than the slowest contender takes with a million descriptors.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Harness {
    folder: PathBuf,
    fifo: File,
}

/// What a body reports.
pub struct Report {
    pub began: SystemTime,
    pub pid: i32,
}

/// How long after the start of the process the launcher was back, and the body ran.
pub struct Launch {
    pub back: Duration,
    pub body: Duration,
}

impl Harness {
    pub fn new() -> io::Result<Harness> {
        // Orphaned daemons come here, so that they can be waited for.
        set_child_subreaper(true)?;
        let folder = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
        fs::create_dir(&folder)?;
        mkfifo(&folder.join("fifo"), Mode::from_bits_truncate(0o600))?;
        // Also for writing: then opening does not wait, and reading sees no end of file.
        let fifo = OpenOptions::new().read(true).write(true).open(folder.join("fifo"))?;
        Ok(Harness { folder, fifo })
    }

    /// A path for a file that lives as long as the benchmark.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A command with the arguments that every body takes: the fifo, the bytes to touch, and what else is asked.
    pub fn command(&self, words: &[&str], contender: &Contender, bytes: usize, more: &[&str]) -> Command {
        let words = words.iter().copied().chain(contender.command.iter().map(String::as_str)).collect::<Vec<_>>();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(self.file("fifo")).arg(bytes.to_string()).args(more);
        // Cargo's LD_LIBRARY_PATH alone makes a start slower than it is.
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command
    }

    /// One launch. The daemon is left running.
    pub fn launch(&self, contender: &Contender, bytes: usize) -> io::Result<Launch> {
        let mut command = self.command(&[], contender, bytes, &[]);
        let (start, started) = (Instant::now(), SystemTime::now());
        let status = command.spawn()?.wait()?;
        let back = start.elapsed();
        if !status.success() {
            return Err(io::Error::other(format!("the launcher ended with {status}")));
        }
        let report = self.report()?;
        let body = report.began.duration_since(started).map_err(io::Error::other)?;
        Ok(Launch { back, body })
    }

    /// Waits for a body's report.
    pub fn report(&self) -> io::Result<Report> {
        if !self.has_report(PollTimeout::try_from(PATIENCE).expect("a minute"))? {
            return Err(io::Error::other("the body never ran"));
        }
        let mut message = [0; 16];
        (&self.fifo).read_exact(&mut message)?;
        let number = |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().expect("eight bytes"));
        Ok(Report { began: UNIX_EPOCH + Duration::from_nanos(number(0)), pid: number(8) as i32 })
    }

    fn has_report(&self, timeout: PollTimeout) -> io::Result<bool> {
        Ok(poll(&mut [PollFd::new(self.fifo.as_fd(), PollFlags::POLLIN)], timeout)? > 0)
    }

    /// Kills and reaps all that was started, until there is nothing left.
    pub fn end_all(&self) -> io::Result<()> {
        let children = format!("/proc/self/task/{}/children", std::process::id());
        loop {
            for pid in fs::read_to_string(&children)?.split_whitespace() {
                let _ = kill(Pid::from_raw(pid.parse().expect("a pid")), Signal::SIGKILL);
            }
            match waitpid(None, None) {
                Err(Errno::ECHILD) => break,
                _ => continue,
            }
        }
        // A report that nobody waited for is not the next one's.
        while self.has_report(PollTimeout::ZERO)? {
            self.report()?;
        }
        Ok(())
    }

    /// Tries a contender out. What its daemon is not, although it was asked for; or an error if there is none at all.
    pub fn probe(&self, contender: &Contender) -> io::Result<Vec<&'static str>> {
        let mut launcher = self.command(&[], contender, 0, &[]).spawn()?;
        let start = Instant::now();
        let status = loop {
            match launcher.try_wait()? {
                Some(status) => break status,
                None if start.elapsed() > Duration::from_secs(10) => {
                    return Err(io::Error::other("the launcher stays"));
                }
                None => sleep(Duration::from_millis(5)),
            }
        };
        if !status.success() {
            return Err(io::Error::other(format!("the launcher ended with {status}")));
        }
        let report = self.report()?;
        if !contender.detaches() {
            return Ok(Vec::new());
        }
        let process = PathBuf::from(format!("/proc/{}", report.pid));
        let session = |stat: String| stat.rsplit(')').next()?.split_whitespace().nth(3).map(str::to_owned);
        let leads =
            |path: &str, target: &str| fs::read_link(process.join(path)).is_ok_and(|to| to.as_os_str() == target);
        let own = session(fs::read_to_string("/proc/self/stat")?);
        let facts = [
            ("not in a session of its own", session(fs::read_to_string(process.join("stat"))?) != own),
            ("not in /", leads("cwd", "/")),
            ("without its umask", fs::read_to_string(process.join("status"))?.contains("Umask:\t0022")),
            ("without stdin on /dev/null", leads("fd/0", "/dev/null")),
            ("without stdout on /dev/null", leads("fd/1", "/dev/null")),
            ("without stderr on /dev/null", leads("fd/2", "/dev/null")),
        ];
        Ok(facts.into_iter().filter(|(_, right)| !right).map(|(what, _)| what).collect())
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.end_all();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
