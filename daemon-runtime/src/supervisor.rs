//! A supervisor that runs the process itself: systemd, a container, runit. What it passes, and what it is told.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::ops::Range;
use std::os::fd::{OwnedFd, RawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::parent_id;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::{env, io, process};

use nix::errno::Errno;
use nix::libc::{c_int, c_void};

use crate::errno::errno_of;
use crate::error::{Error, Result, Step};
use crate::inherited::note_inherited;
use crate::step::streams::OpenFile;
use crate::{procfs, sys};

/// Returns whether a supervisor runs this process and wants it in the foreground. The default of the option `foreground`.
///
/// True if one of these holds:
///
/// * It is process 1: the end of the launcher would be the end of a container.
/// * `NOTIFY_SOCKET` is set, and not empty, so that somebody waits for this process to say that it is ready, sd_notify(3);
///   and either `SYSTEMD_EXEC_PID` is its own pid, or it has no controlling terminal. (A shell in a terminal that a service
///   has started inherits the variable.)
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
/// A unit of `Type=forking` without `PIDFile=` looks like `Type=simple`: give it `PIDFile=`, or `foreground = false`.
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

/// Returns why [`supervised`] is true.
pub(crate) fn reason() -> Option<&'static str> {
    initial().reason
}

/// Returns the sockets that were passed to this process: sd_listen_fds(3).
pub(crate) fn passed_sockets() -> Range<RawFd> {
    initial().sockets.clone()
}

/// Returns whether NOTIFY_SOCKET, if it is set, is another service's.
pub(crate) fn has_foreign_notify_socket() -> bool {
    initial().notify_socket.is_none()
}

/// What the environment said at the first call, before `setup`; there are libraries that take the variables out.
pub(crate) fn initial() -> &'static ServiceEnv {
    static INITIAL: OnceLock<ServiceEnv> = OnceLock::new();
    INITIAL.get_or_init(ServiceEnv::read)
}

pub(crate) struct ServiceEnv {
    reason: Option<&'static str>,
    sockets: Range<RawFd>,
    /// If it is this process that is waited for.
    notify_socket: Option<OsString>,
}

impl ServiceEnv {
    fn read() -> Self {
        let (by_systemd, has_sockets) = (is_own_pid("SYSTEMD_EXEC_PID"), is_own_pid("LISTEN_PID"));
        let is_forking = by_systemd && env::var_os("PIDFILE").is_some();
        let notify_socket = env::var_os("NOTIFY_SOCKET")
            .filter(|address| !address.is_empty() && (by_systemd || !has_controlling_terminal()));
        let reasons = [
            (process::id() == 1, "it is process 1"),
            (notify_socket.is_some(), "NOTIFY_SOCKET is set"),
            (by_systemd && !is_forking, "SYSTEMD_EXEC_PID is its pid"),
            (has_sockets && !is_forking, "LISTEN_PID is its pid"),
            (is_child_of_init(), "its parent is the init of a container"),
        ];
        let reason = reasons.into_iter().find(|(holds, _)| *holds).map(|(_, reason)| reason);
        const FIRST: RawFd = 3;
        let count = env::var("LISTEN_FDS").ok().filter(|_| has_sockets).and_then(|count| count.parse::<u16>().ok());
        ServiceEnv { reason, sockets: FIRST..FIRST + RawFd::from(count.unwrap_or(0)), notify_socket }
    }
}

fn is_own_pid(name: &str) -> bool {
    env::var(name).is_ok_and(|value| value == process::id().to_string())
}

/// tty(4): opening it fails with ENXIO in a session that has no controlling terminal.
pub(crate) fn has_controlling_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

fn is_child_of_init() -> bool {
    // The last one is that of `systemd-nspawn --as-pid2`.
    const INITS: [&str; 8] =
        ["init", "tini", "tini-static", "docker-init", "dumb-init", "catatonit", "podman-init", "(sd-stubinit)"];
    let is_init = || procfs::read("/proc/1/comm").is_ok_and(|name| INITS.contains(&name.trim_end()));
    // In a /proc of an outer pid namespace this process has another number, and process 1 is another one.
    let is_own_proc =
        || fs::read_link("/proc/self").is_ok_and(|number| number == Path::new(&process::id().to_string()));
    // sd_booted(3).
    parent_id() == 1 && is_own_proc() && is_init() && !Path::new("/run/systemd/system").exists()
}

/// The supervisor until it has been told how the start ended.
struct Waiting {
    /// Whose start it is: a forked child has no say in it.
    pid: u32,
    address: OsString,
    /// Connected before the root directory, the user or the environment change, any of which may put it out of reach.
    /// That is why the `sd-notify` crate does not do here: it looks for the socket when it sends, and knows no abstract
    /// ones.
    socket: Option<OpenFile>,
}

impl Waiting {
    /// Returns the socket. If it is not connected yet, or main's body has closed all descriptors, it is connected now.
    fn socket(&mut self) -> nix::Result<UnixDatagram> {
        match self.socket.take().map(OpenFile::into_fd) {
            Some(Ok(socket)) => Ok(socket.into()),
            Some(Err(_)) | None => connected(&self.address).map_err(|error| errno_of(&error)),
        }
    }
}

static WAITING: Mutex<Option<Waiting>> = Mutex::new(None);

fn waiting() -> MutexGuard<'static, Option<Waiting>> {
    // Nothing panics while it is locked.
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the supervisor, if one waits, is told if the program ends before it is ready, and not with exit code 0.
pub(crate) fn notify_if_start_fails() -> Result<()> {
    let Some(address) = initial().notify_socket.clone() else { return Ok(()) };
    let mut waiting = waiting();
    if waiting.is_none() {
        sys::at_exit_with_code(report_early_exit)
            .map_err(|errno| Error::system(Step::Ready, "register what tells the supervisor of an early end", errno))?;
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
        let socket = waiting.socket().and_then(|socket| OpenFile::new(socket.into()));
        waiting.socket = Some(socket.map_err(|errno| unreachable_socket(&waiting.address, errno))?);
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
    let error = Error::system(Step::Ready, what, errno);
    match errno {
        // RestrictAddressFamilies= of systemd.exec(5).
        Errno::EAFNOSUPPORT => error.advise("allow AF_UNIX in RestrictAddressFamilies="),
        _ => error.advise("correct or unset the variable"),
    }
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
    report_end(error.raw_os_error().unwrap_or(0), &error.to_string());
}

/// Says that the process ended before it was ready. start-stop-daemon(8), for one, would wait on. Code 0 is no failure: a
/// client's command, which is done before there is a start, ends so.
extern "C" fn report_early_exit(code: c_int, _: *mut c_void) {
    if code != 0 && is_waited_for() {
        report_end(0, &format!("the program ended with exit code {code} before it was ready"));
    }
}

/// Whether a supervisor waits for this process; a forked child has no say in it.
fn is_waited_for() -> bool {
    waiting().as_ref().is_some_and(|waiting| waiting.pid == process::id())
}

fn report_end(errno: i32, why: &str) {
    // systemd ignores a message of more than 4,096 bytes, and a character has up to four.
    let why: String = why.chars().take(1000).collect();
    // The error itself is about to be printed, and the exit code tells too.
    let _ = send(&format!("ERRNO={errno}\nSTATUS={why}"));
}

/// Returns a socket to tell a supervisor that waits about a reload.
pub(crate) fn reload_socket() -> Result<Option<OpenFile>> {
    let mut waiting = waiting();
    let Some(waiting) = waiting.as_mut() else { return Ok(None) };
    let mut copy = || {
        let socket = waiting.socket()?;
        let copy = sys::retry(|| socket.try_clone().map_err(|error| errno_of(&error)))?;
        waiting.socket = Some(OpenFile::new(socket.into())?);
        OpenFile::new(copy.into())
    };
    copy().map(Some).map_err(|errno| Error::system(Step::Ready, "copy the socket of NOTIFY_SOCKET", errno))
}

/// Says that a reload begins: sd_notify(3). Async-signal-safe.
pub(crate) fn send_reloading(socket: &OwnedFd) {
    const START: &[u8] = b"RELOADING=1\nMONOTONIC_USEC=";
    let mut message = [0; START.len() + 20];
    message[..START.len()].copy_from_slice(START);
    // Without zeros at the beginning, which would make the number octal to systemd.
    let now = sys::monotonic_microseconds();
    let count = now.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut rest = now;
    for digit in message[START.len()..START.len() + count].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let message = &message[..START.len() + count];
    // A manager that is gone is told nothing; the reload itself is done all the same.
    let _ = nix::unistd::write(socket, message);
}

/// Says that the reload has ended. Async-signal-safe.
pub(crate) fn send_ready_again(socket: &OwnedFd) {
    // As above.
    let _ = nix::unistd::write(socket, b"READY=1");
}

/// Tells how the start ended, once.
fn send(state: &str) -> nix::Result<()> {
    let Some(mut waiting) = waiting().take() else { return Ok(()) };
    let socket = waiting.socket()?;
    sys::retry(|| socket.send(state.as_bytes()).map(drop).map_err(|error| errno_of(&error)))
}

/// Returns the prefix of a line on stderr that gives it the priority "error" in systemd's journal, sd-daemon(3); empty where
/// stderr is not the journal.
pub(crate) fn journal_priority() -> &'static str {
    let journal = env::var("JOURNAL_STREAM").ok();
    let stderr = sys::file_id(nix::libc::STDERR_FILENO).ok().map(|id| format!("{}:{}", id.device, id.inode));
    if journal.is_some() && journal == stderr { "<3>" } else { "" }
}
