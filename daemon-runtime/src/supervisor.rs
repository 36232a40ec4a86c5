//! A supervisor that runs the process itself: systemd, a container, runit. What it passes, and what it is told.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::ops::Range;
use std::os::fd::RawFd;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::parent_id;
use std::sync::OnceLock;
use std::{env, io, process};

use nix::errno::Errno;

use crate::error::{Error, OrFail, Result, Step};
use crate::inherited::inherited;
use crate::sys;

/// Notes what the program was started with, if this is the first call.
pub(crate) fn note_inherited() {
    initial();
    inherited();
}

/// Returns whether a supervisor runs this process and wants it in the foreground. The default of the option `foreground`.
///
/// True if one of these holds:
///
/// * It is process 1: the end of the launcher would be the end of a container.
/// * `NOTIFY_SOCKET` is set, and not empty, so that somebody waits for this process to say that it is ready, sd_notify(3);
///   and `SYSTEMD_EXEC_PID` is its own pid or its parent's (a script that is the service, and runs the program without `exec`), or
///   that is not set and there is no controlling terminal. (What a service starts later inherits both variables: a shell in a
///   terminal, or a program that a key of the desktop starts; then `SYSTEMD_EXEC_PID` names somebody else.)
/// * `SYSTEMD_EXEC_PID` is its own pid: systemd 248 and newer has started it itself, not through a shell.
/// * `LISTEN_PID` is its own pid: sockets were passed to it, sd_listen_fds(3).
/// * Its parent is process 1, and that is an init which starts one program: it is called `init`, `tini`, `tini-static`,
///   `docker-init`, `dumb-init`, `catatonit`, `podman-init` or `(sd-stubinit)` (of systemd-nspawn), and no systemd runs. Such an
///   init ends when its child does. (A shell that is process 1 is none: what an entry script starts detaches.)
///
/// `SYSTEMD_EXEC_PID` and `LISTEN_PID` do not count if `PIDFILE` is set beside an own `SYSTEMD_EXEC_PID`: only `Type=forking`
/// needs `PIDFile=`, and such a unit waits for the program to detach.
///
/// With the option `trace`, a line says which of these it was.
///
/// # Wrong guesses
///
/// A program that a service starts directly, as a compositor starts what belongs to its session, has its parent in
/// `SYSTEMD_EXEC_PID`, and looks like one that a script of the service runs: unset `NOTIFY_SOCKET` there, or give
/// `foreground = false`. A unit of `Type=forking` without `PIDFile=` looks like `Type=simple`: give it `PIDFile=`, or `foreground = false`.
/// Supervisors that set none of these variables (runit, s6, daemontools, supervisord, and systemd before 248 with
/// `Type=simple`) cannot be told from a shell: give `foreground = true`, or an argument of your program.
///
/// # Examples
///
/// ```
/// // A user's own flag beside it:
/// let foreground = std::env::args().any(|arg| arg == "--foreground") || daemon_runtime::supervised();
/// # assert!(!foreground || daemon_runtime::supervised());
/// ```
pub fn supervised() -> bool {
    note_inherited();
    initial().reason.is_some()
}

/// Returns whether NOTIFY_SOCKET and the watchdog's variables, if they are set, are another service's.
pub(crate) fn is_foreign_service() -> bool {
    initial().notify_socket.is_none() && !is_own_pid("WATCHDOG_PID")
}

/// What the environment said at the first call, before `setup`; there are libraries that take the variables out.
pub(crate) fn initial() -> &'static ServiceEnv {
    static INITIAL: OnceLock<ServiceEnv> = OnceLock::new();
    INITIAL.get_or_init(ServiceEnv::read)
}

pub(crate) struct ServiceEnv {
    /// Why [`supervised`] is true.
    pub(crate) reason: Option<&'static str>,
    /// The sockets that were passed to this process: sd_listen_fds(3).
    pub(crate) sockets: Range<RawFd>,
    /// If it is this process that is waited for.
    notify_socket: Option<OsString>,
}

impl ServiceEnv {
    fn read() -> Self {
        let (by_systemd, has_sockets) = (is_own_pid("SYSTEMD_EXEC_PID"), is_own_pid("LISTEN_PID"));
        let is_forking = by_systemd && env::var_os("PIDFILE").is_some();
        let is_waited_for = || match env::var("SYSTEMD_EXEC_PID") {
            // Or a script is the service, and runs this program without exec.
            Ok(pid) => by_systemd || pid == parent_id().to_string(),
            Err(_) => !has_controlling_terminal(),
        };
        let notify_socket = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty() && is_waited_for());
        let reasons = [
            (process::id() == 1, "it is process 1"),
            (notify_socket.is_some(), "NOTIFY_SOCKET is set"),
            (by_systemd && !is_forking, "SYSTEMD_EXEC_PID is its pid"),
            (has_sockets && !is_forking, "LISTEN_PID is its pid"),
        ];
        let reason = reasons.into_iter().find(|(holds, _)| *holds).map(|(_, reason)| reason);
        let reason = reason.or_else(sys::why_supervised);
        const FIRST: RawFd = 3;
        let count = env::var("LISTEN_FDS").ok().filter(|_| has_sockets).and_then(|count| count.parse::<u16>().ok());
        ServiceEnv { reason, sockets: FIRST..FIRST + RawFd::from(count.unwrap_or(0)), notify_socket }
    }
}

/// Returns whether a variable holds the pid of this process.
pub(crate) fn is_own_pid(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == process::id().to_string())
}

/// tty(4): opening it fails with ENXIO in a session that has no controlling terminal.
pub(crate) fn has_controlling_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// A supervisor that waits until this process is ready: sd_notify(3).
///
/// The `sd-notify` crate does not do here: it looks for the socket when it sends, and knows no abstract ones.
#[derive(Debug)]
pub(crate) struct Supervisor(UnixDatagram);

impl Supervisor {
    /// Connects to NOTIFY_SOCKET, if somebody waits there.
    pub(crate) fn connect() -> Result<Option<Self>> {
        let Some(address) = &initial().notify_socket else { return Ok(None) };
        let socket = connected(address).map_err(|error| unreachable_socket(address, error))?;
        Ok(Some(Supervisor(socket)))
    }

    /// Says READY=1.
    pub(crate) fn report_ready(&self) -> Result<()> {
        self.0.send(b"READY=1").map(drop).or_fail(Step::Ready, "tell the supervisor READY=1")
    }

    /// Says why the start failed.
    pub(crate) fn report_failure(&self, error: &Error) {
        // systemd ignores a message of more than 4,096 bytes, and a character has up to four.
        let why: String = error.to_string().chars().take(1000).collect();
        // The error itself is about to be printed, and the exit code tells too.
        let _ = self.0.send(format!("ERRNO={}\nSTATUS={why}", error.raw_os_error().unwrap_or(0)).as_bytes());
    }
}

fn connected(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // An error of std's own, without a number: there is only one, as a variable holds no NUL byte.
    socket.connect_addr(&sys::socket_address(address).map_err(|_| io::Error::from(Errno::ENAMETOOLONG))?)?;
    Ok(socket)
}

fn unreachable_socket(address: &OsStr, error: io::Error) -> Error {
    let is_forbidden = error.raw_os_error() == Some(Errno::EAFNOSUPPORT as i32);
    let what = format!("connect to NOTIFY_SOCKET {}", address.to_string_lossy());
    Error::system(Step::Ready, what, error).advise(match is_forbidden {
        // RestrictAddressFamilies= of systemd.exec(5).
        true => "allow AF_UNIX in RestrictAddressFamilies=",
        false => "correct or unset the variable",
    })
}

/// Returns the prefix of a line on stderr that gives it the priority "error" in systemd's journal, sd-daemon(3); empty where
/// stderr is not the journal.
pub(crate) fn journal_priority() -> &'static str {
    let journal = env::var("JOURNAL_STREAM").ok();
    let stderr =
        sys::file_status(nix::libc::STDERR_FILENO).ok().map(|file| format!("{}:{}", file.id.device, file.id.inode));
    if journal.is_some() && journal == stderr { "<3>" } else { "" }
}
