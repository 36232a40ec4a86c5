//! Starts a contender, hears from its body, and leaves nothing of it behind.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::sys::time::TimeVal;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, close, mkfifo};

use crate::contender::Contender;

/// Longer than the slowest contender takes with a million descriptors.
const PATIENCE: Duration = Duration::from_secs(60);

/// The literal of those contenders that must have one.
const PID_FILE: &str = "pid";

pub struct Harness {
    directory: PathBuf,
    fifo: File,
}

/// How a contender is started.
pub struct Start {
    /// So much data is loaded.
    pub bytes: usize,
    pub pid_file: bool,
    /// What else the body does: see `contenders/body.rs`.
    pub argument: Option<&'static str>,
}

/// What a body reports.
pub struct Report {
    pub began: SystemTime,
    pub pid: i32,
    /// Whether a variable of the terminal is in the environment.
    pub has_term: bool,
}

/// How long after the start of the process the launcher was back, and the body ran; and the processor time of all the
/// launch's processes together, which other work on the machine changes little.
pub struct Launch {
    pub back: Duration,
    pub body: Duration,
    pub processor: Duration,
}

/// Closes what the shell has left open: a contender would have to find and close it too. Nothing else is open yet.
fn close_inherited() -> io::Result<()> {
    let open: Vec<i32> =
        fs::read_dir("/proc/self/fd")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        match close(fd) {
            // The listing's own.
            Err(Errno::EBADF) => {}
            closed => closed?,
        }
    }
    Ok(())
}

impl Harness {
    pub fn new() -> io::Result<Harness> {
        close_inherited()?;
        // Orphaned daemons come here, so that they can be waited for.
        set_child_subreaper(true)?;
        let directory = std::env::temp_dir().join(format!("bench-{}", std::process::id()));
        fs::create_dir(&directory)?;
        mkfifo(&directory.join("fifo"), Mode::from_bits_truncate(0o600))?;
        // Also for writing: then opening does not wait, and reading sees no end of file.
        let fifo = OpenOptions::new().read(true).write(true).open(directory.join("fifo"))?;
        Ok(Harness { directory, fifo })
    }

    /// A path for a file that lives as long as the benchmark.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn pid_file(&self) -> PathBuf {
        self.file(PID_FILE)
    }

    /// A contender's command, below another one if `words` are not empty.
    pub fn command(&self, words: &[&str], contender: &Contender, start: &Start) -> Command {
        let program = contender.command(start.pid_file).unwrap_or_default();
        let words: Vec<&str> = words.iter().copied().chain(program.iter().map(String::as_str)).collect();
        let mut command = Command::new(words[0]);
        let pid_file = if start.pid_file { self.pid_file() } else { PathBuf::new() };
        command.args(&words[1..]).arg(self.file("fifo")).arg(start.bytes.to_string()).arg(pid_file);
        command.args(start.argument).current_dir(&self.directory);
        // Cargo's LD_LIBRARY_PATH alone makes a start slower than it is.
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command
    }

    /// One launch. Nothing of it is left.
    pub fn launch(&self, contender: &Contender, start: &Start) -> io::Result<Launch> {
        let mut command = self.command(&[], contender, start);
        let before = processor_time()?;
        let (began, began_at) = (Instant::now(), SystemTime::now());
        let status = command.spawn()?.wait()?;
        let back = began.elapsed();
        if !status.success() {
            return Err(io::Error::other(format!("the launcher ended with {status}")));
        }
        let report = self.report()?;
        let body = report.began.duration_since(began_at).map_err(io::Error::other)?;
        self.end_all()?;
        Ok(Launch { back, body, processor: processor_time()? - before })
    }

    /// Waits for a body's report.
    pub fn report(&self) -> io::Result<Report> {
        if !self.has_report(PollTimeout::try_from(PATIENCE).expect("a minute"))? {
            return Err(io::Error::other("the body never ran"));
        }
        let mut message = [0; 24];
        (&self.fifo).read_exact(&mut message)?;
        let number = |at: usize| u64::from_ne_bytes(message[at..at + 8].try_into().expect("eight bytes"));
        let began = UNIX_EPOCH + Duration::from_nanos(number(0));
        Ok(Report { began, pid: number(8) as i32, has_term: number(16) != 0 })
    }

    pub fn has_report(&self, timeout: PollTimeout) -> io::Result<bool> {
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
        // A report that nobody waited for is not the next one's; nor is a pid file, which would be in the way of some.
        while self.has_report(PollTimeout::ZERO)? {
            self.report()?;
        }
        match fs::remove_file(self.pid_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// Of all children that have been waited for, and theirs.
pub fn processor_time() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let time = |part: TimeVal| Duration::new(part.tv_sec() as u64, part.tv_usec() as u32 * 1_000);
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.end_all();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
