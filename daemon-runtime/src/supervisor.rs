//! A supervisor that runs the process itself: systemd, a container, runit. What it passes, and what it is told.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::ops::Range;
use std::os::fd::RawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use nix::errno::Errno;

use crate::error::{Error, Result, Step, errno_of};
use crate::sys;

/// Whether a supervisor runs this process and wants it in the foreground. The default of the option `foreground`.
///
/// True if one of these holds:
///
/// * it is process 1: the end of the launcher would be the end of a container;
/// * `NOTIFY_SOCKET` is set: somebody waits for this process to say that it is ready, sd_notify(3);
/// * `LISTEN_PID` is its own pid: it was given sockets, sd_listen_fds(3);
/// * `SYSTEMD_EXEC_PID` is its own pid: systemd 248 and newer started it itself, not through a shell.
///
/// The last two do not count if `PIDFILE` and its own `SYSTEMD_EXEC_PID` are set, because only `Type=forking` needs
/// `PIDFile=`, and such a unit waits for the program to detach.
///
/// # Wrong guesses
///
/// A unit of `Type=forking` that has `WatchdogSec=` or `NotifyAccess=` gets a `NOTIFY_SOCKET` too, and without
/// `PIDFile=` it looks like `Type=simple`: give `foreground = false`. Supervisors that set none of these variables
/// (runit, s6, daemontools, and systemd before 248 with `Type=simple`) cannot be told from a shell: give
/// `foreground = true`, or an argument of your program. A shell started by such a service inherits `NOTIFY_SOCKET`,
/// and what is started there by hand stays in its foreground.
///
/// ```
/// // A user's own flag beside it:
/// let foreground = std::env::args().any(|arg| arg == "--foreground") || daemon_runtime::supervised();
/// # assert!(!foreground || daemon_runtime::supervised());
/// ```
pub fn supervised() -> bool {
    initial().supervised
}

/// The sockets that were passed to this process: sd_listen_fds(3).
pub(crate) fn passed_sockets() -> Range<RawFd> {
    initial().sockets.clone()
}

/// What the environment said before `setup` came; there are libraries that take the variables out.
pub(crate) fn initial() -> &'static ServiceEnv {
    static INITIAL: OnceLock<ServiceEnv> = OnceLock::new();
    INITIAL.get_or_init(ServiceEnv::read)
}

pub(crate) struct ServiceEnv {
    supervised: bool,
    sockets: Range<RawFd>,
    notify_socket: Option<OsString>,
}

impl ServiceEnv {
    fn read() -> Self {
        let (by_systemd, sockets_are_ours) = (is_own_pid("SYSTEMD_EXEC_PID"), is_own_pid("LISTEN_PID"));
        let forking = by_systemd && env::var_os("PIDFILE").is_some();
        let notify_socket = env::var_os("NOTIFY_SOCKET");
        let supervised = process::id() == 1 || notify_socket.is_some() || !forking && (by_systemd || sockets_are_ours);
        const FIRST: RawFd = 3;
        let count =
            env::var("LISTEN_FDS").ok().filter(|_| sockets_are_ours).and_then(|count| count.parse::<u16>().ok());
        ServiceEnv { supervised, sockets: FIRST..FIRST + RawFd::from(count.unwrap_or(0)), notify_socket }
    }
}

fn is_own_pid(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == process::id().to_string())
}

/// The supervisor until it has been told how the start ended.
struct Waiting {
    /// Whose start it is: a forked child has no say in it.
    pid: u32,
    address: OsString,
    /// Connected before the root directory, the user or the environment change, any of which may put it out of reach.
    /// That is why the `sd-notify` crate does not do here: it looks for the socket when it sends, and knows no abstract
    /// ones.
    socket: Option<UnixDatagram>,
}

static WAITING: Mutex<Option<Waiting>> = Mutex::new(None);

fn waiting() -> MutexGuard<'static, Option<Waiting>> {
    // Nothing panics while it is locked.
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the supervisor, if one waits, is told of an end before the start has come to its own.
pub(crate) fn notify_if_start_fails() -> Result<()> {
    let Some(address) = initial().notify_socket.clone() else { return Ok(()) };
    let mut waiting = waiting();
    if waiting.is_none() {
        sys::at_exit(report_early_exit).map_err(|errno| unreachable_socket(&address, errno))?;
        *waiting = Some(Waiting { pid: process::id(), address, socket: None });
    }
    Ok(())
}

/// Nobody is told: the process detaches.
pub(crate) fn stop_notifying() {
    *waiting() = None;
}

/// Connects to NOTIFY_SOCKET, if somebody waits there.
pub(crate) fn connect() -> Result<()> {
    if let Some(waiting) = waiting().as_mut() {
        let socket =
            connected(&waiting.address).map_err(|error| unreachable_socket(&waiting.address, errno_of(&error)))?;
        waiting.socket = Some(socket);
    }
    Ok(())
}

fn connected(address: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&socket_address(address)?)?;
    Ok(socket)
}

fn unreachable_socket(address: &OsStr, errno: Errno) -> Error {
    let what = format!("connect to NOTIFY_SOCKET {}", address.to_string_lossy());
    Error::system(Step::Ready, what, errno).advise("correct or unset the variable")
}

fn socket_address(address: &OsStr) -> io::Result<SocketAddr> {
    let socket = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(address),
    };
    // An error of std's own, without a number: there is only one, as a variable holds no NUL byte.
    socket.map_err(|_| Errno::ENAMETOOLONG.into())
}

/// Says READY=1.
pub(crate) fn report_ready() -> Result<()> {
    send("READY=1").map_err(|errno| Error::system(Step::Ready, "tell the supervisor READY=1", errno))
}

/// Says why the start failed.
pub(crate) fn report_failure(error: &Error) {
    let errno = error.raw_os_error().unwrap_or(0);
    // The error itself is about to be printed, and the exit code tells too.
    let _ = send(&format!("ERRNO={errno}\nSTATUS={error}"));
}

/// Says that the process ended before it was ready. start-stop-daemon(8), for one, would wait on.
extern "C" fn report_early_exit() {
    if waiting().as_ref().is_some_and(|waiting| waiting.pid == process::id()) {
        // As above.
        let _ = send("ERRNO=0\nSTATUS=the start has failed");
    }
}

/// Tells how the start ended, once.
fn send(state: &str) -> nix::Result<()> {
    let Some(Waiting { address, socket, .. }) = waiting().take() else { return Ok(()) };
    let socket = socket.map_or_else(|| connected(&address), Ok).map_err(|error| errno_of(&error))?;
    sys::retry(|| socket.send(state.as_bytes()).map(drop).map_err(|error| errno_of(&error)))
}

/// Returns the prefix of a line on stderr that gives it the priority "error" in systemd's journal, sd-daemon(3); empty where
/// stderr is not the journal.
pub(crate) fn journal_priority() -> &'static str {
    let journal = env::var("JOURNAL_STREAM").ok();
    let stderr = sys::file_id(nix::libc::STDERR_FILENO).ok().map(|id| id.to_string());
    if journal.is_some() && journal == stderr { "<3>" } else { "" }
}
