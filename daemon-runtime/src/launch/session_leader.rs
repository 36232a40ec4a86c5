//! The session leader: a new session, the second fork, and the end.

use std::os::unix::net::UnixStream;

use nix::unistd::{ForkResult, setsid};

use super::message::Message;
use super::{failed, fork, refuse_other_pid_namespace};
use crate::error::Result;
use crate::sys::{self, retry};
use crate::trace::Trace;

/// Leaves the shell's session and forks the daemon. Only the daemon returns, with its end of the channel.
pub(super) fn fork_daemon(channel: UnixStream, trace: Trace) -> Result<UnixStream> {
    refuse_other_pid_namespace()?;
    trace.print_row("first fork");
    // daemon(7), step 6. A new session has no controlling terminal.
    retry(setsid).map_err(|errno| failed("create a session", errno))?;
    trace.print_row("setsid in the first child");
    // Step 7: who is no session leader can never get a terminal.
    match fork()? {
        ForkResult::Parent { child: daemon } => {
            trace.print_child_row("second fork", daemon);
            let sent = Message::Started(daemon).send(&channel);
            sent.map_err(|errno| failed("tell the launcher the daemon's pid", errno))?;
            // Step 8: the daemon gets another parent.
            sys::exit_now(0)
        }
        ForkResult::Child => Ok(channel),
    }
}
