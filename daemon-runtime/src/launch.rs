//! The launch: three processes, one file each.
//!
//! ```text
//! launcher                           session leader             daemon
//!  fork ──────────────────────────▶ setsid, fork ───────────▶ …
//!  waits: Started, Ready, a death,   exit                      main's body up to ready.notify()
//!  the time limit, Ctrl-C    ◀────────────────────── Ready ──
//!                    Go ─────────────────────────────────────▶ main's body goes on
//!  exit
//! ```
//!
//! *Why two forks.* setsid(2) refuses a process group leader, which a program started by a shell is; so the first child
//! calls it. That makes it a session leader, and a session leader that opens a terminal gets it as controlling terminal.
//! So it forks again: the daemon is no session leader and can never get a terminal.
//!
//! *Why the launcher is the parent.* It is the nearest subreaper, so that the daemon becomes its child when the session
//! leader has exited. So it learns exactly how a failed start has ended.
//!
//! *Why a socket and not a pipe.* Both ends talk; messages are kept apart; each end sees when the other one is closed, by
//! whatever death; and the daemon can have a signal sent (O_ASYNC) when that happens.
//!
//! *What each process waits for.* The launcher waits until the daemon is ready, has ended, or is too late, or until a
//! signal interrupts the start. The session leader waits for nothing. The daemon waits for `Go` when it is ready, and from
//! then on neither looks at the other. If the launcher dies before, the daemon ends too.

mod daemon;
mod launcher;
pub(crate) mod message;
mod session_leader;

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::unistd::{ForkResult, getpid, getppid};

use crate::error::{Error, ErrorKind, Result, Step};
use crate::step::log::CreatedLogs;
use crate::step::pid_file::PidFile;
use crate::sys::{self, retry};
use crate::trace::Trace;

pub(crate) use daemon::LauncherHandle;
use launcher::Launcher;
pub(crate) use launcher::LauncherSignals;

/// What a launch needs.
pub(crate) struct Launch<'a> {
    pub(crate) signals: LauncherSignals,
    pub(crate) pid_file: Option<PidFile>,
    pub(crate) created_logs: CreatedLogs,
    pub(crate) limit: Duration,
    pub(crate) trace: Trace,
    /// The process that waits for the launcher, and goes on when that has ended: [`Daemon::spawn`](crate::Daemon::spawn).
    pub(crate) client: Option<&'a UnixStream>,
}

/// Forks twice. Only the daemon returns; or the program, with an error, if nothing could be forked.
///
/// The launcher stays behind, waits until the daemon is ready, and exits as the start ends.
pub(crate) fn detach(launch: Launch<'_>) -> Result<(LauncherHandle, Option<PidFile>)> {
    let Launch { signals, pid_file, created_logs, limit, trace, client } = launch;
    trace.print_header();
    trace.print_row("program started");
    let (started, launcher) = (Instant::now(), getpid());
    match prepare().and_then(|prepared| Ok((prepared, fork()?))) {
        Err(error) => {
            // First the files: a signal that was blocked may end this process as soon as it is let through.
            drop(pid_file);
            drop(created_logs);
            drop(signals);
            Err(error)
        }
        Ok((Prepared { launcher_end, daemon_end, adopts_orphans }, ForkResult::Parent { child: leader })) => {
            let launcher = Launcher {
                leader,
                leader_ended: false,
                daemon: None,
                ready: false,
                channel: Some(launcher_end),
                adopts_orphans,
                client,
                signals,
                started,
                limit,
                pid_file,
                created_logs,
            };
            launcher.wait_and_exit(daemon_end)
        }
        Ok((Prepared { launcher_end, daemon_end, .. }, ForkResult::Child)) => {
            created_logs.keep();
            signals.leave_blocked();
            let channel = close(launcher_end).and_then(|()| session_leader::fork_daemon(daemon_end, trace));
            let channel = channel.unwrap_or_else(|error| error.exit_now());
            Ok((LauncherHandle::new(channel, launcher)?, pid_file))
        }
    }
}

/// What has to be there before the first fork.
struct Prepared {
    launcher_end: UnixStream,
    daemon_end: UnixStream,
    /// Whether the daemon becomes the launcher's child. Emulators (qemu-user) do not know the call.
    adopts_orphans: bool,
}

fn prepare() -> Result<Prepared> {
    let (launcher_end, daemon_end) = socket_pair()?;
    let adopts_orphans = match retry(|| set_child_subreaper(true)) {
        Ok(()) => true,
        Err(Errno::EINVAL | Errno::ENOSYS) => false,
        Err(errno) => return Err(failed("adopt the daemon", errno)),
    };
    Ok(Prepared { launcher_end, daemon_end, adopts_orphans })
}

/// Makes a socket between two of the processes of a start.
pub(crate) fn socket_pair() -> Result<(UnixStream, UnixStream)> {
    sys::socket_pair().map_err(|errno| failed("make a socket", errno))
}

pub(crate) fn fork() -> Result<ForkResult> {
    sys::fork().map_err(|errno| failed("fork", errno))
}

/// Refuses a child of fork(2) that is in another pid namespace than its parent, as after `unshare -p` without `--fork`: the pids
/// that the launcher would be told are other processes there, and the first child's end is the end of all.
pub(crate) fn refuse_other_pid_namespace() -> Result<()> {
    // getppid(2): whom this namespace does not show is 0.
    if getppid().as_raw() != 0 {
        return Ok(());
    }
    let why = "its children are in another pid namespace than itself";
    Err(Error::new(Step::Launch, ErrorKind::Misuse, "become a daemon", why)
        .advise("start it by `unshare --fork`, or fork once after unshare(2)"))
}

fn close(end: UnixStream) -> Result<()> {
    sys::close(end.into()).map_err(|errno| failed("close the other process's end of the socket", errno))
}

pub(crate) fn failed(what: &str, errno: Errno) -> Error {
    Error::system(Step::Launch, what, errno)
}
