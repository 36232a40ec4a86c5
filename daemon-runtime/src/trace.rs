//! The process table of the launch, as it happens.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use crate::report::report;
use crate::supervisor::has_controlling_terminal;

use nix::unistd::{Pid, getpgid, getpid, getppid, getsid};

/// Prints a row for each stage on stderr if the option `trace` is on.
///
/// It is for people who want to see; where it cannot be printed, the start goes on without.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trace(pub(crate) bool);

impl Trace {
    pub(crate) fn print_header(self) {
        if self.0 {
            print(&mut io::stderr(), ["stage", "pid", "ppid", "pgid", "sid", "leader", "terminal"]);
        }
    }

    /// Says why the process does not detach.
    pub(crate) fn print_foreground(self, reason: &str) {
        if self.0 {
            report(&format_args!("stays in the foreground: {reason}"));
        }
    }

    /// This process.
    pub(crate) fn print_row(self, stage: &str) {
        if self.0 {
            measure(&mut io::stderr(), stage, getpid(), getppid());
        }
    }

    /// A child of this process, which is still its parent.
    pub(crate) fn print_child_row(self, stage: &str, child: Pid) {
        if self.0 {
            measure(&mut io::stderr(), stage, child, getpid());
        }
    }

    /// This process, on what stderr has been.
    pub(crate) fn print_last_row(self, stage: &str, terminal: &OwnedFd) {
        if self.0 {
            let Ok(terminal) = terminal.try_clone() else { return };
            measure(&mut File::from(terminal), stage, getpid(), getppid());
        }
    }
}

fn measure(to: &mut dyn Write, stage: &str, pid: Pid, ppid: Pid) {
    let number = |id: nix::Result<Pid>| id.map_or("?".into(), |id| id.to_string());
    let (pgid, sid) = (getpgid(Some(pid)), getsid(Some(pid)));
    let yes = |is| if is { "yes" } else { "no" };
    let (leader, terminal) = (yes(sid == Ok(pid)), yes(has_controlling_terminal()));
    print(to, [stage, &pid.to_string(), &ppid.to_string(), &number(pgid), &number(sid), leader, terminal]);
}

fn print(to: &mut dyn Write, [stage, pid, ppid, pgid, sid, leader, terminal]: [&str; 7]) {
    let line = format!("{stage:<30} {pid:>7} {ppid:>7} {pgid:>7} {sid:>7}  {leader:<6}  {terminal}\n");
    // As `Trace` says, the start goes on without.
    let _ = to.write_all(line.as_bytes());
}
