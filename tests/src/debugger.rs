//! A debugger that holds a process of a start at a fork, for what else depends on which process the scheduler prefers.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use nix::fcntl::OFlag;
use nix::sys::ptrace::{self, Event};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, mkfifo};

use crate::{Launch, Running, until};

/// Starts the fixture `opens_in_setup`, with more words for its setup, and traces it from then on, and all that it forks.
pub fn start<'a>(launch: Launch<'a>, setup: &str) -> Running<'a> {
    // It waits there until it is traced.
    let fifo = launch.family().path("fifo");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600)).expect("a fifo");
    let launcher = launch.env("DAEMON_SETUP", format!("{setup}\nopen={}", fifo.display()).trim_start()).start();
    let options = ptrace::Options::PTRACE_O_TRACEFORK;
    ptrace::seize(Pid::from_raw(launcher.pid()), options).expect("a child can be traced");
    let writer = || File::options().write(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(&fifo).ok();
    drop(until("setup waits for a writer", writer));
    launcher
}

/// Waits until a traced process has forked, which holds it, and returns the child.
pub fn fork_of(tracee: Pid) -> Pid {
    until_event(tracee, Event::PTRACE_EVENT_FORK);
    Pid::from_raw(ptrace::getevent(tracee).expect("it is stopped") as i32)
}

/// Waits until a traced process stops for `event`, and fails if it does so for anything else.
pub fn until_event(tracee: Pid, event: Event) {
    let status = until(&format!("{event:?} of {tracee}"), || {
        Some(waitpid(tracee, Some(WaitPidFlag::WNOHANG)).expect("a tracee")).filter(|it| *it != WaitStatus::StillAlive)
    });
    assert_eq!(status, WaitStatus::PtraceEvent(tracee, Signal::SIGTRAP, event as i32));
}

/// Lets a child go on that was traced from its beginning; it is traced no more.
pub fn let_go_at_once(child: Pid) {
    until_event(child, Event::PTRACE_EVENT_STOP);
    let_go(child);
}

/// Lets a process go on that is held; it is traced no more.
pub fn let_go(tracee: Pid) {
    ptrace::detach(tracee, None).expect("it is stopped");
}
