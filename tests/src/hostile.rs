//! Conditions that a shell, or worse, may start a program in, for [`Launch::under`](crate::Launch::under).

use std::fs::{self, File};
use std::io;
use std::os::fd::{IntoRawFd, RawFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, chdir, close, setpgid, setsid};

use crate::raw;

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

/// The system call of this number fails with `errno`, from exec on and in all that the program starts: as on a kernel that
/// lacks it (`ENOSYS`), or under a filter that forbids it (`EPERM`). It cannot gain privileges any more.
pub fn denied(call: libc::c_long, errno: Errno) -> Condition {
    Box::new(move || raw::forbid(call as u32, call as u32, libc::SECCOMP_RET_ERRNO | errno as u32))
}

/// Every system call from this number on is missing, as on a kernel that is older than all of them; with the restrictions
/// of [`denied`].
pub fn missing_from(call: libc::c_long) -> Condition {
    Box::new(move || raw::forbid(call as u32, u32::MAX, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32))
}

/// The same, and a process that makes the call is killed.
pub fn deadly(call: libc::c_long) -> Condition {
    Box::new(move || raw::forbid(call as u32, call as u32, libc::SECCOMP_RET_KILL_PROCESS))
}

/// The file mode creation mask.
pub fn umask(mask: u32) -> Condition {
    Box::new(move || {
        nix::sys::stat::umask(Mode::from_bits_retain(mask));
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

/// As many descriptors are allowed as the kernel, or the user's hard limit, lets through.
pub fn most_descriptors() -> Condition {
    Box::new(|| {
        let most = fs::read_to_string("/proc/sys/fs/nr_open")?.trim().parse().map_err(io::Error::other)?;
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, most, most)
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
            .map_err(io::Error::from)
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
        // The first terminal that a session leader opens becomes the session's.
        let _kept = File::open(&terminal)?.into_raw_fd();
        Ok(close(_kept)?)
    })
}
