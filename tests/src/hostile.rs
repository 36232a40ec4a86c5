//! Conditions that a shell, or worse, may start a program in, for [`Launch::under`](crate::Launch::under).

use std::fs::{self, File};
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, chdir, close, setpgid, setsid};

use crate::raw;

#[cfg(linux_alone)]
mod linux;

#[cfg(linux_alone)]
pub use linux::*;

/// What is done between fork and exec.
pub type Condition = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// Every free descriptor up to `last` is open, and stays so over exec.
pub fn descriptors(last: RawFd) -> Condition {
    Box::new(move || {
        let null = File::open("/dev/null")?;
        while fcntl(&null, FcntlArg::F_DUPFD(3))? < last {}
        Ok(())
    })
}

/// The descriptors are closed.
pub fn closed(descriptors: &'static [RawFd]) -> Condition {
    Box::new(move || descriptors.iter().try_for_each(|descriptor| Ok(close(*descriptor)?)))
}

/// `file` is open as `descriptor`, and stays so over exec.
pub fn open(descriptor: RawFd, file: PathBuf) -> Condition {
    Box::new(move || {
        let _ = close(descriptor);
        let file = File::open(&file)?;
        let got = fcntl(&file, FcntlArg::F_DUPFD(descriptor))?;
        if got == descriptor { Ok(()) } else { Err(io::Error::other(format!("{got} instead of {descriptor}"))) }
    })
}

/// The signals are ignored.
pub fn ignored(signals: &'static [Signal]) -> Condition {
    Box::new(move || signals.iter().try_for_each(|signal| raw::ignore(*signal)))
}

/// All signals are blocked.
pub fn blocked() -> Condition {
    Box::new(|| Ok(sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None)?))
}

/// The file mode creation mask.
pub fn umask(mask: u32) -> Condition {
    Box::new(move || {
        nix::sys::stat::umask(Mode::from_bits_retain(mask as nix::libc::mode_t));
        Ok(())
    })
}

/// The working directory is gone.
pub fn deleted_directory(directory: PathBuf) -> Condition {
    Box::new(move || {
        fs::create_dir(&directory)?;
        chdir(&directory)?;
        fs::remove_dir(&directory)
    })
}

/// Few descriptors are allowed: where the system does not tell which are open, a start asks for each number up to the limit.
pub fn few_descriptors() -> Condition {
    Box::new(|| setrlimit(Resource::RLIMIT_NOFILE, 128, 128).map_err(io::Error::from))
}

/// It leads a session of its own, without a terminal.
pub fn session_leader() -> Condition {
    Box::new(|| {
        setsid()?;
        Ok(())
    })
}

/// It leads a process group, as a shell's job does.
pub fn group_leader() -> Condition {
    Box::new(|| Ok(setpgid(Pid::from_raw(0), Pid::from_raw(0))?))
}

/// It leads a session whose controlling terminal is `terminal`.
pub fn terminal(terminal: PathBuf) -> Condition {
    Box::new(move || {
        setsid()?;
        let terminal = File::open(&terminal)?;
        raw::take_terminal(&terminal)
    })
}
