//! A start by a program that lives on: one more fork, and the child is the launcher.

use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid};

use crate::daemon_process;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::inherited::note_inherited;
use crate::launch::message::{Message, receive_from_launcher, send_error};
use crate::launch::{fork, refuse_other_pid_namespace, socket_pair};
use crate::start::{DEFAULT_TIMEOUT, flush, start_in_background};
use crate::step::{streams, threads};
use crate::sys::{self, retry};
use crate::{Daemon, Ready};

/// How much longer than `start_timeout` a launcher may take, which has to end what it has started.
const LAUNCHER_GRACE: Duration = Duration::from_secs(20);

/// Where [`Daemon::spawn`] has returned.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them, and it lives for a moment")]
pub enum Spawned {
    /// In the process that called it. The daemon has this pid, and is ready.
    Launcher(u32),
    /// In the daemon, which is not ready yet.
    Daemon(Ready),
}

/// Starts the daemon, and returns in both processes.
pub(crate) fn spawn(options: Daemon) -> Result<Spawned> {
    let limit = options.start_timeout.unwrap_or(DEFAULT_TIMEOUT);
    if options.foreground == Some(true) {
        let why = "`spawn` always detaches";
        return Err(Error::new(Step::Options, ErrorKind::InvalidOption, "use foreground = true", why)
            .advise("call `start` to stay in the foreground"));
    }
    note_inherited();
    daemon_process::drop_parents_lock();
    streams::open_closed()?;
    threads::refuse_threads()?;
    // What is buffered would appear twice.
    flush()?;
    let (client_end, launcher_end) = socket_pair()?;
    match fork()? {
        ForkResult::Parent { child: launcher } => {
            drop(launcher_end);
            wait_for_launcher(&client_end, launcher, limit)
                .map(|daemon| Spawned::Launcher(daemon.as_raw().unsigned_abs()))
        }
        ForkResult::Child => {
            drop(client_end);
            // Only the daemon returns from it, or the launcher with an error. The program's own code must not run in the
            // launcher as if it were the client.
            let started = refuse_other_pid_namespace().and_then(|()| start_in_background(options, Some(&launcher_end)));
            started.map(Spawned::Daemon).or_else(|error| {
                // If the client has died, nobody waits for this.
                let _ = send_error(&launcher_end, &error);
                sys::exit_now(error.exit_code().into())
            })
        }
    }
}

/// Waits until the launcher has told how the start has ended, or has ended itself; returns the daemon's pid.
fn wait_for_launcher(channel: &UnixStream, launcher: Pid, limit: Duration) -> Result<Pid> {
    let deadline = Instant::now().checked_add(limit.saturating_add(LAUNCHER_GRACE));
    let mut polled = [libc::pollfd { fd: channel.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
    let (mut daemon, mut goes_on, mut timed_out) = (None, false, false);
    loop {
        let left = deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_zero() && !timed_out {
            timed_out = true;
            // It is this process's child, and not waited for yet. If it has just ended, this has no effect.
            let _ = kill(launcher, Signal::SIGKILL);
            // What it has said until then is read below. That it cannot be waited for means that it has ended.
            let _ = retry(|| waitpid(launcher, None));
        }
        // Any failure of this call means that the next one waits, but not that the start has failed.
        if retry(|| sys::poll(&mut polled, left)) == Ok(0) {
            if timed_out {
                break;
            }
            continue;
        }
        match receive_from_launcher(channel) {
            Ok(Some(Ok(Message::DaemonReady(pid)))) => daemon = Some(pid),
            Ok(Some(Ok(Message::Go))) => goes_on = true,
            // These are the launcher's to hear.
            Ok(Some(Ok(Message::Started(_) | Message::Ready))) => {}
            Ok(Some(Err(error))) => {
                // Its exit code says nothing more.
                let _ = retry(|| waitpid(launcher, None));
                return Err(error);
            }
            Ok(None) => break,
            Err(_) if timed_out => break,
            // The launcher decides how the start ends, and not a call that fails here.
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
    // Where the program ignores SIGCHLD, or a handler of its own has waited for all its children, there is none left.
    goes_on |= !timed_out && matches!(retry(|| waitpid(launcher, None)), Ok(WaitStatus::Exited(_, 0)));
    let failed = |kind, why: String| Error::new(Step::Launch, kind, "start the daemon", why).advise("start it again");
    daemon.filter(|_| goes_on).ok_or_else(|| match timed_out {
        true => failed(ErrorKind::TimedOut, format!("the launcher, process {launcher}, has not ended in time")),
        false => failed(ErrorKind::StartFailed, "the launcher was killed".into()),
    })
}
