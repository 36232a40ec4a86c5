//! A Unix daemon from one attribute above `main`.
//!
//! # Why this is hard
//!
//! A daemon runs in the background, belongs to no terminal and outlives the shell that started it. The textbook has
//! twelve lines for that: fork, `setsid`, fork, `chdir`, `umask`, close, `/dev/null`. Everybody copies them, and they
//! leave out what matters:
//!
//! * The launcher exits 0 before the daemon has done anything. `app && echo up` says "up", and the daemon is dead.
//! * What the daemon prints when its start fails goes to `/dev/null`.
//! * Descriptors of the shell, of `make` or of a supervisor stay open for years; so do ignored and blocked signals.
//! * `setuid` leaves root's groups, and a saved user id leaves a way back.
//! * Two copies run at once, because the pid file was checked and then written, or because an old one names a process
//!   that has been dead for a year.
//! * A fork copies one thread. The locks that the others held stay locked.
//!
//! Here each of these is a step that is done, in order, and checked. Or the start fails, says why at the terminal, and
//! leaves no process, no pid file and no lock behind.
//!
//! Rust 1.85 or newer.
//!
//! # Example
//!
//! ```no_run
//! use std::io::{self, Read, Write};
//! use std::net::TcpListener;
//! use daemon_runtime::{Ready, daemon};
//!
//! #[daemon(pid_file = "/run/echo/echo.pid", stderr = "/var/log/echo/echo.log", user = "www-data")]
//! fn main(ready: Ready) -> io::Result<()> {
//!     let listener = TcpListener::bind("127.0.0.1:7777")?; // A failure is seen at the terminal; exit code 1.
//!     println!("listening");                               // Still the terminal.
//!     ready.notify();                                      // The launcher exits 0; from here on, the log.
//!     for stream in listener.incoming() {
//!         let mut stream = stream?;
//!         let mut line = [0; 512];
//!         let length = stream.read(&mut line)?;
//!         stream.write_all(&line[..length])?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # What a main may be
//!
//! * Its parameters, by position: with the option `setup` first its value, in any pattern; then [`Ready`], if main
//!   decides itself when it is ready. Without `setup`, [`Ready`] alone, or nothing: then the daemon is ready as soon as
//!   the body starts.
//! * It returns whatever a main may return.
//! * An `async fn` with the attribute of its runtime below: `#[daemon]` and then `#[tokio::main]`. A runtime starts
//!   threads, so the daemon comes first.
//!
//! `setup` is an expression that runs in the launcher, at the terminal, before anything else: parse arguments, read
//! what the shell passed, bind a privileged port. The other options may use what it returned.
//!
//! ```no_run
//! use std::{env, io, net::TcpListener, path::PathBuf};
//! use daemon_runtime::{Ready, daemon, supervised};
//!
//! struct Args { listener: TcpListener, pid_file: Option<PathBuf>, foreground: bool }
//!
//! fn parse() -> io::Result<Args> {
//!     let listener = TcpListener::bind(("0.0.0.0", 80))?;
//!     let foreground = env::args().any(|arg| arg == "--foreground");
//!     Ok(Args { listener, pid_file: env::var_os("APP_PID_FILE").map(PathBuf::from), foreground })
//! }
//!
//! #[daemon(
//!     setup = parse()?,
//!     foreground = args.foreground || supervised(),
//!     pid_file = args.pid_file,   // None is "not given".
//!     user = "nobody",
//! )]
//! fn main(args: Args, ready: Ready) -> io::Result<()> {
//!     ready.notify();
//!     args.listener.accept()?;
//!     Ok(())
//! }
//! ```
//!
//! # Options
//!
//! An option's value is any expression. It is borrowed, so the program can use it afterwards. A literal is checked while
//! compiling, anything else when the program runs, by the same rule. Each option is a method of [`Daemon`], where it is
//! described in full; `setup` and `crate` are the attribute's alone.
//!
//! | option | value | default | what it does |
//! | --- | --- | --- | --- |
//! | `umask` | integer, at most `0o777` | `0o022` | file mode creation mask |
//! | `chdir` | absolute path | `/` | working directory |
//! | `ignore_sigchld` | flag, or bool | off | children are reaped automatically, so `Command::status` fails with ECHILD |
//! | `pid_file` | path | none | one instance: a file with the pid, locked for as long as the daemon lives |
//! | `create_directories` | flag, or bool | off | create the missing directories of the pid file and the logs, for `user` |
//! | `stdin` | path, or `Stream` | `/dev/null` | standard input; an open `File` or `OwnedFd` will do, too |
//! | `stdout`, `stderr` | path, or `Stream` | `/dev/null` | from `notify` on, log files, which are appended to; or an open `File` or `OwnedFd` |
//! | `reopen_on_sighup` | flag, or bool | off | on SIGHUP reopen the log files, for logrotate(8) |
//! | `user`, `group` | name or number | unchanged | drop privileges permanently, and test that they cannot be regained |
//! | `chroot` | absolute path | none | root directory |
//! | `no_new_privileges` | flag, or bool | off | programs that it starts gain no rights |
//! | `no_core_dumps` | flag, or bool | off | no core file |
//! | `keep_fds` | list of numbers | none | inherited descriptors to keep |
//! | `keep_env` | list of names | all but the terminal's | environment variables to keep; the rest is cleared |
//! | `setup` | expression | none | runs in the launcher, at the terminal, first of all |
//! | `foreground` | bool | [`supervised()`] | true: do not detach |
//! | `start_timeout` | seconds, or `Duration` | 90 s | how long it may take until it is ready |
//! | `trace` | flag, or bool | off | print the process table of the launch |
//! | `crate` | path | `::daemon_runtime` | for a re-exported or renamed runtime |
//!
//! The directories of the pid file and the logs must exist, or `create_directories` creates them: `/run` is empty after each
//! boot. With `user` they have to be that user's, as `create_directories` makes them: otherwise the daemon can neither remove the
//! pid file at its end (it is emptied then) nor reopen the log files.
//!
//! # What is the same whoever starts it
//!
//! In the background, the defaults are those of a systemd service: working directory `/`, umask `0o022`, no terminal and none of its variables,
//! standard input from `/dev/null`, no ignored or blocked signals but SIGPIPE, no inherited descriptors. What else the
//! starting process has stays: other variables, resource limits, niceness, CPU affinity, `oom_score_adj`, the control
//! group, and with it what kills a user's processes at logout (`KillUserProcesses=` of logind.conf(5)).
//!
//! # The steps in order
//!
//! A shell with pid 10 has started program 100:
//!
//! | after | pid | ppid | pgid | sid | session leader |
//! | --- | --- | --- | --- | --- | --- |
//! | program started | 100 | 10 | 100 | 10 | no |
//! | first fork | 101 | 100 | 100 | 10 | no |
//! | `setsid` in the first child | 101 | 100 | 101 | 101 | **yes**, no controlling terminal |
//! | second fork | 102 | 101 | 101 | 101 | **no**: it can never get a terminal again |
//! | both parents gone | 102 | **1** (init, or the nearest subreaper) | 101 | 101 | no |
//!
//! ```text
//! launcher                        session leader           daemon
//!  setup
//!  look up user and group
//!  refuse threads
//!  open directories and logs
//!  flush stdout
//!  lock the pid file
//!  close inherited descriptors
//!  become a subreaper
//!  fork ─────────────────────────▶ setsid
//!                                  fork ─────────────────▶ umask, chroot, chdir, stdin
//!  waits for: ready, a death,      exit                     signals, environment, pid file
//!  the time limit, Ctrl-C                                   groups, user, capabilities: dropped and tested
//!                                                           main's body, up to ready.notify()
//!                                                           stdout and stderr to their files
//!                                                           SIGCHLD
//!  ◀─────────────────────────────────────────────── ready ─
//!  go ────────────────────────────────────────────────────▶ SIGHUP, main's body goes on
//!  exit 0
//! ```
//!
//! Almost all that can fail on what the options say is done in the launcher, before the first fork. After it come the
//! working directory inside a new root, the pid (a full disk), and dropping privileges.
//!
//! The launcher adopts orphans (PR_SET_CHILD_SUBREAPER): when the session leader has exited, the daemon becomes its child.
//! So it sees how a failed start has ended, and ends with the same exit code; for a signal, with 128 + its number and a
//! line that names it. Where the system has no such thing, the session leader stays until the daemon is ready, and tells it. Until
//! then the daemon's stdout and stderr are the launcher's, so what it prints about a failed start is seen. If the launcher ends,
//! the daemon ends too, unless the launcher itself is killed by a signal other than SIGHUP, SIGINT, SIGQUIT and SIGTERM.
//!
//! # Differences from daemon(7)
//!
//! The steps are those of daemon(7), "SysV Daemons", with these differences:
//!
//! * The umask is `0o022` and not 0: a library that creates a file without a mode must not create one that everybody can
//!   write. Give `umask = 0` for the manual page's value.
//! * Signal handlers are not reset: exec has done that, and those that are there are Rust's, which report a stack overflow,
//!   or the program's own. SIGPIPE stays ignored, as in every Rust program.
//! * stdout and stderr change when the daemon is ready, and not before, so that a failed start is seen at the terminal.
//! * Descriptors are closed before the forks, once, and those that the program has opened itself stay open.
//! * The launcher waits until the daemon is ready by default, and not only if the program has a pipe for it.
//!
//! # Exit codes
//!
//! The launcher exits 0 if and only if the daemon runs in the state that the options describe. If the daemon ends before it
//! is ready, the launcher exits with the same code. The crate's own errors use the codes of sysexits(3), see [`ErrorKind`].
//! A start that a signal interrupts ends by that signal.
//!
//! # Limits
//!
//! What users meet first:
//!
//! * The daemon must be the first to start threads. Constructors, `setup` or the code before the call may start none that still
//!   run. In a process of much memory the two forks take long, as they copy its page tables: start the daemon early.
//! * An inherited descriptor is closed, unless `keep_fds` names it; also one that the program has made its own, as by
//!   `File::from_raw_fd`, or that a library has opened before main without close-on-exec: name it, or set that flag. What counts is
//!   what is open at the first call of [`Daemon::new`], [`Instance::at`] or [`supervised`], or at the attribute. The time is linear
//!   in the number of descriptors, some four system calls each.
//! * The daemon works in `/`: a relative path leads there, and a program that starts itself anew by its path needs an absolute one.
//! * Children started before the daemon is ready keep the launcher's stdout and stderr, and `$(app)` waits for them: give them
//!   others, or start them after [`Ready::notify`]. Those started in `setup` belong to the launcher, and nobody waits for them.
//! * Record locks of fcntl(2), as SQLite holds them, are not passed on by a fork: a start that would lose one is refused. Memory
//!   locks (mlock(2)), alarms and timers, pending requests of io_uring, what SEM_UNDO of semop(2) promises, and what names the
//!   process (F_SETOWN of fcntl(2), PR_SET_CHILD_SUBREAPER of prctl(2)) are lost without a word. Open databases and set timers
//!   in the body.
//! * With a pid file, SIGTERM, SIGINT, SIGHUP, SIGQUIT and SIGABRT have a handler. `ctrlc::try_set_handler` takes that for the
//!   program's own, and fails: use `ctrlc::set_handler`.
//! * After a SIGTERM that nobody handles the pid file is gone while the memory is still being freed and the port is still bound.
//!   [`Instance::stop`] waits for the process; a script that waits for the file starts too early.
//! * A failed start leaves the log files that it has created, empty, and directories.
//! * In the foreground nothing is reopened, and a supervisor is told READY=1 and this crate's own errors, and not what main returns,
//!   nor of a reload: `Type=notify-reload` of systemd does not fit.
//! * SIGKILL of a running daemon leaves the pid file where it is. It is unlocked, so it blocks no start.
//!
//! Starting:
//!
//! * A launcher that is killed by SIGKILL, or by another signal that it does not handle, such as SIGALRM, says nothing to the daemon:
//!   that ends when it says that it is ready; until then it holds the pid file, and no time limit ends it. If the launcher is killed
//!   between the pid file's creation and the fork, an empty file is left; and if between its last message to the daemon and its
//!   exit, a few microseconds, the daemon runs.
//! * Processes that main's body starts before it is ready, and that leave the daemon's process group, are not ended with a
//!   failed start. A program that the body becomes by exec before it is ready can never be ready.
//! * A thread that holds the lock of stdout when [`Ready::notify`] is called is waited for, until the time limit.
//! * Who closes descriptors that are not his own, as by closing all, breaks the start. [`Ready::notify`] says so where it can see
//!   it; a file that the body opens in place of stdin, stdout or stderr is replaced.
//! * A filter of seccomp(2) that the body sets up before it is ready must allow what comes then: read, write, dup2, close, socket
//!   messages and signal actions. One that kills for them ends a daemon of which the launcher has said that it is ready.
//! * What is not in /proc cannot be counted: without it a program with musl, or with glibc before 2.32, is refused.
//!
//! Files:
//!
//! * Who may read the pid file can lock it, and so prevent a start, which then says after 5 seconds that another process holds it.
//!   lslocks(8) tells which; it shows the launcher's pid for a daemon, since that has taken the lock. Put the file into a directory
//!   that strangers cannot enter.
//! * A pid file that somebody removes hides the daemon: it counts as not running, and another one can start.
//! * A program that the daemon becomes by exec has neither the handler for SIGHUP nor the pid file's lock any more, so that a second
//!   daemon can start. A child that clone(2) makes without fork(3) keeps the lock when the daemon is gone.
//! * What is at the path of `pid_file` is emptied if nobody has locked it: name no other file.
//! * Exit handlers that `setup` has registered find the pid file gone: those that were registered last run first, atexit(3).
//! * Root, and a start with `user` or `group`, follow a symbolic link on the way to a log, stdin or pid file only if the link is
//!   root's. When logs are reopened and the pid file is removed that holds for the end of the path alone: keep them in directories
//!   that only root and the daemon's user may change.
//! * A log file belongs to `user`, and to `group` where that is given; otherwise the directory or the starting process decides its
//!   group. A file that is a log and the pid file by two names is not noticed.
//! * With `user` the session keyring is left, keyctl(2); a filter must not kill for that call.
//! * A set-user-ID program may become the user whose rights it has; the options and the environment are those of whoever starts
//!   it, so do not take paths from them.
//!
//! * A variable that C code has set by putenv(3) to text that cannot be written to crashes a start with `keep_env`, which overwrites
//!   what it removes.
//! * A child that the daemon forks, and that starts a daemon of its own, has the first one's handler for SIGHUP and its log files.
//!
//! Signals: those that the C library keeps for its threads, 32 and 33 with glibc, stay ignored if they were, as in programs that
//! posix_spawn(3) has started.
//!
//! # Systems
//!
//! It detaches on Linux from 4.1 on, and on macOS, FreeBSD, NetBSD, OpenBSD, DragonFly and illumos. For these it is compiled and linked
//! with each change (DragonFly: compiled), and was never run there by us. On another Unix it has what POSIX has. On Windows a program
//! stays in the foreground, and says so.
//!
//! | | Linux | macOS | FreeBSD | DragonFly | NetBSD | OpenBSD | illumos | another Unix |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | the daemon's parent until it is ready | launcher | session leader | launcher | launcher | session leader | session leader | session leader | session leader |
//! | a program with other threads is refused | yes, with their names | yes | yes | yes | yes | yes | yes | no |
//! | a start that would lose a record lock is refused | yes | no | no | no | no | no | no | no |
//! | a signal of [`Instance`] reaches the daemon for certain | from 5.3 on | after a second look | after a second look | after a second look | after a second look | after a second look | after a second look | after a second look |
//! | [`Instance`] sees who holds the pid file's lock | yes | no | no | no | no | no | no | no |
//! | root's [`Instance`] takes the pid file of a daemon that runs as somebody else | yes | yes | yes | yes | yes | yes | yes | no |
//! | symbolic links on the way, for root and `user`: root's | yes | in root's own directories | in root's own directories | in root's own directories | in root's own directories | in root's own directories | in root's own directories | in root's own directories |
//! | a signal that was ignored already, and that the program ignores itself, stays so | yes | no | no | no | no | no | no | no |
//! | capabilities, the session keyring, abstract sockets | yes | | | | | | | |
//! | saved ids are looked at after `user` | yes | no | no | no | no | no | no | no |
//! | `no_new_privileges` | yes | refused | from 14 on | refused | refused | refused | refused | refused |
//! | `no_core_dumps` | and no ptrace(2) | yes | and no ptrace(2) | yes | yes | yes | yes | yes |
//! | [`supervised()`] knows | systemd, containers and others | launchd | process 1 | process 1 | process 1 | process 1 | process 1 | process 1 |
//!
//! On every system it is tried whether the old ids can be regained. Beside that:
//!
//! * Linux: musl does not tell an emulator's threads from the program's: under qemu-user a program with musl is refused. With musl a
//!   daemon's user has at most 32 groups, as by its initgroups(3); the rest is left out.
//! * macOS: names that are resolved before the start make getaddrinfo(3) crash in the daemon, since macOS 26, and Apple's frameworks
//!   (Foundation, Security and others) are not safe after fork(2): use neither in `setup` nor before the call. A daemon's user has
//!   at most 16 groups; the rest is left out.
//!
//! # The environment
//!
//! What describes the terminal or the shell always goes; `*` stands for any end:
//!
//! `TERM`, `TERM_*`, `TERMCAP`, `COLORTERM`, `COLUMNS`, `LINES`, `VTE_VERSION`, `KONSOLE_*`, `WT_SESSION`, `WINDOWID`, `GPG_TTY`,
//! `SSH_CLIENT`, `SSH_CONNECTION`, `SSH_TTY`, `SSH_ORIGINAL_COMMAND`, `TMUX*`, `STY`, `WINDOW`, `XDG_ACTIVATION_TOKEN`,
//! `DESKTOP_STARTUP_ID`, `PWD`, `OLDPWD`, `SHLVL`, `_`
//!
//! What names descriptors, which are closed, goes too:
//!
//! `MAKEFLAGS`, `MFLAGS`, `CARGO_MAKEFLAGS`, `WAYLAND_SOCKET`, `NODE_CHANNEL_FD`
//!
//! What describes the login session goes where `user` changes who the daemon is:
//!
//! `DISPLAY`, `XAUTHORITY`, `ICEAUTHORITY`, `WAYLAND_DISPLAY`, `SSH_AUTH_SOCK`, `SSH_AGENT_PID`,
//! `GPG_AGENT_INFO`, `XDG_RUNTIME_DIR`, `XDG_SESSION_*`, `XDG_SEAT*`, `XDG_VTNR`, `XDG_CURRENT_DESKTOP`, `DESKTOP_SESSION`,
//! `DBUS_SESSION_BUS_*`, `SESSION_MANAGER`, `SUDO_*`, `DOAS_USER`, `PKEXEC_UID`
//!
//! What belongs to the old user goes where `user` changes who the daemon is:
//!
//! `MAIL`, `XDG_CONFIG_HOME`, `XDG_CACHE_HOME`, `XDG_DATA_HOME`, `XDG_STATE_HOME`, `KRB5CCNAME`, `TMPDIR`
//!
//! What is for another service goes where the program does not run as one: `NOTIFY_SOCKET`, `WATCHDOG_PID`, `WATCHDOG_USEC`.
//! Of a program that detaches, LISTEN_PID and WATCHDOG_PID become the daemon's pid.
//!
//! # Guides
//!
//! * [From a systemd unit and back](guide::systemd)
//! * [From a property list of launchd and back](guide::launchd)
//! * [From the `daemonize` crate](guide::daemonize)
//! * [Recipes](guide::recipes): an upgrade in place, sockets, logs, a logout
//! * [When things go wrong](guide::errors)
#![cfg_attr(feature = "macro", doc = "* [What the attribute does not do](macro@daemon#what-does-not-work)")]
#![cfg_attr(feature = "macro", doc = "* [What the compiler says](macro@daemon#mistakes)")]

#[cfg(any(doc, doctest))]
pub mod guide;
pub mod thread;
pub mod value;

mod daemon;
mod error;
mod report;
mod state;

#[cfg(all(unix, not(daemon_elsewhere)))]
mod advice;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod inherited;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod instance;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod launch;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod ready;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod spawn;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod start;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod step;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod supervisor;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod sys;
#[cfg(all(unix, not(daemon_elsewhere)))]
mod trace;

#[cfg(not(all(unix, not(daemon_elsewhere))))]
mod elsewhere;

#[cfg(feature = "macro")]
#[doc(hidden)]
pub mod __private;

/// rustc says this name where the path after `crate =` leads elsewhere.
#[cfg(feature = "macro")]
#[doc(hidden)]
pub use __private as __crate_must_be_daemon_runtime;

/// What Unix and Windows have each of their own: see `elsewhere`. `--cfg daemon_elsewhere` takes that on Linux too, so that it can be
/// tested there.
#[cfg(all(unix, not(daemon_elsewhere)))]
mod platform {
    pub(crate) use crate::advice::advice_for;
    pub use crate::instance::Instance;
    pub use crate::ready::Ready;
    pub use crate::spawn::Spawned;
    pub(crate) use crate::spawn::spawn;
    pub(crate) use crate::start::start;
    pub use crate::supervisor::supervised;
    pub(crate) use crate::supervisor::{journal_priority, note_inherited};
}
#[cfg(not(all(unix, not(daemon_elsewhere))))]
use elsewhere as platform;

#[cfg(feature = "macro")]
#[doc(inline)]
pub use daemon_macro::daemon;

pub use {
    daemon::Daemon,
    error::{Error, ErrorKind, Step},
    platform::{Instance, Ready, Spawned, supervised},
    state::State,
    value::{Id, OpenFile, Stream},
};
