//! A start by a program that lives on: one more fork, and the child is the launcher.

use std::io::ErrorKind as IoErrorKind;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::libc;
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid};

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::launch::message::{receive_in_client, tell_client};
use crate::launch::{fork, make_socket, refuse_other_pid_namespace};
use crate::start::{DEFAULT_TIMEOUT, find_unwanted_descriptors, start_in_background};
use crate::step::streams::flush;
use crate::step::threads::refuse_threads;
use crate::supervisor::note_inherited;
use crate::sys::{self, retry};
use crate::{Daemon, Ready};

/// How much longer than `start_timeout` a launcher may take, which has to end what it has started.
const LAUNCHER_GRACE: Duration = Duration::from_secs(20);

/// Where [`Daemon::spawn`] has returned.
#[derive(Debug)]
pub enum Spawned {
    /// In the process that called it. The daemon has this pid, and is ready.
    Launcher(u32),
    /// In the daemon, which is not ready yet.
    Daemon(Ready),
}

/// Starts the daemon, and returns in both processes.
pub(crate) fn spawn(options: &Daemon) -> Result<Spawned> {
    if options.foreground == Some(true) {
        let why = "`spawn` always detaches";
        return Err(Error::new(Step::Options, ErrorKind::InvalidOption, "use foreground = true", why)
            .advise("call `start` to stay in the foreground"));
    }
    note_inherited();
    refuse_threads()?;
    // In the child, which becomes the launcher, the locks are lost already.
    find_unwanted_descriptors(options, 0..0)?;
    // What is buffered would appear twice.
    flush()?;
    let (client_end, launcher_end) = make_socket()?;
    // As nothing may fail here once there is a launcher.
    let limit = options.start_timeout.unwrap_or(DEFAULT_TIMEOUT).saturating_add(LAUNCHER_GRACE);
    client_end.set_read_timeout(Some(limit)).or_fail(Step::Launch, "limit the wait for the launcher")?;
    match fork()? {
        ForkResult::Parent { child: launcher } => {
            drop(launcher_end);
            let daemon = wait_for_launcher(&client_end, launcher)?;
            Ok(Spawned::Launcher(daemon.as_raw().unsigned_abs()))
        }
        ForkResult::Child => {
            drop(client_end);
            // Only the daemon returns from it, or the launcher with an error. The program's own code must not run in the
            // launcher as if it were the client.
            let started = refuse_other_pid_namespace().and_then(|()| start_in_background(options, Some(&launcher_end)));
            started.map(Spawned::Daemon).or_else(|error| {
                // If the client has died, nobody waits for this.
                let _ = tell_client(&launcher_end, Err(&error));
                sys::exit_now(error.exit_code().into())
            })
        }
    }
}

/// Waits until the launcher has told how the start has ended, or has ended itself, or the time limit of the channel; returns the
/// daemon's pid.
fn wait_for_launcher(channel: &UnixStream, launcher: Pid) -> Result<Pid> {
    let failed = |kind, why: String| Error::new(Step::Launch, kind, "start the daemon", why).advise("start it again");
    let told = receive_in_client(channel);
    let is_late = told.as_ref().is_err_and(|error| error.kind() == IoErrorKind::WouldBlock);
    if is_late {
        // It is this process's child, and not waited for yet. If it has just ended, this has no effect.
        let _ = sys::kill(launcher, libc::SIGKILL);
    }
    // Where the program ignores SIGCHLD, or a handler of its own has waited for all its children, there is none left.
    let _ = retry(|| waitpid(launcher, None));
    match told {
        Ok(Some(told)) => told,
        Ok(None) => Err(failed(ErrorKind::StartFailed, "the launcher was killed".into())),
        Err(_) if is_late => {
            let why = format!("the launcher, process {launcher}, has not ended in time");
            Err(failed(ErrorKind::TimedOut, why))
        }
        Err(error) => Err(Error::system(Step::Launch, "listen to the launcher", error)),
    }
}
