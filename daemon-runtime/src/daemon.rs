//! The options: one field and one method each.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, Step};
use crate::value::{FdsValue, FlagValue, IdValue, MaskValue, NamesValue, PathValue, StreamValue, TimeValue};
use crate::{Id, Ready, Spawned, Stream, platform};

/// An option is a field and a method of the same name, with a default value and an example.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $type:ty as $value:ty = $default:expr, $example:literal;)*) => {
        /// Describes a daemon, and starts it: [`start`](Daemon::start).
        ///
        /// The attribute [`#[daemon]`](crate#what-a-main-may-be) calls these methods, and at main's end waits for the threads of
        /// [`thread`](crate::thread). By hand, call [`new`](Daemon::new) first in `main`: descriptors that are open at that moment
        /// without close-on-exec are closed by `start`; what is opened later is kept.
        ///
        /// Each method takes a value or an `Option` of it; `None` leaves the default. Values are checked by `start`.
        ///
        /// # Examples
        ///
        /// ```no_run
        /// use daemon_runtime::{Daemon, Error};
        ///
        /// fn main() -> Result<(), Error> {
        ///     let ready = Daemon::new().umask(0o027).pid_file("/run/app.pid").start()?;
        ///     // A daemon from here on. What is printed still reaches the terminal.
        ///     ready.notify();
        ///     // The launcher has exited with 0.
        ///     Ok(())
        /// }
        /// ```
        #[derive(Debug)]
        #[must_use = "nothing happens before `start`"]
        pub struct Daemon {
            $(pub(crate) $name: $type,)*
            /// By [`start_with_threads`](Daemon::start_with_threads).
            pub(crate) may_have_threads: bool,
        }

        impl Daemon {
            /// Describes a daemon with the defaults, and notes what is inherited.
            ///
            /// ```no_run
            /// // What is open here counts as inherited.
            /// let daemon = daemon_runtime::Daemon::new();
            /// // What is opened from here on stays open.
            /// # let _ = daemon;
            /// ```
            #[expect(clippy::new_without_default, reason = "it looks at the process, which a default value must not")]
            pub fn new() -> Self {
                platform::note_inherited();
                Daemon { $($name: $default,)* may_have_threads: false }
            }

            $(
                $(#[$doc])*
                ///
                /// ```
                #[doc = concat!("let daemon = daemon_runtime::Daemon::new().", stringify!($name), "(", $example, ");")]
                /// ```
                pub fn $name(mut self, value: $value) -> Self {
                    if let Some(value) = value.convert() {
                        self.$name = value.into();
                    }
                    self
                }
            )*
        }
    };
}

options! {
    /// The file mode creation mask, at most `0o777`: umask(2). Default: `0o022`; in the foreground, what it is.
    umask: Option<u32> as impl MaskValue = None, "0o027";
    /// The working directory, an absolute path: chdir(2). Default: `/`, so that no file system is kept busy; in the foreground, what
    /// it is. With [`chroot`](Self::chroot), a path inside the new root, and `/` by default in the foreground too.
    chdir: Option<PathBuf> as impl PathValue = None, "\"/srv\"";
    /// Whether children are reaped automatically: `SIGCHLD` is ignored, signal(7), from the moment that the daemon is
    /// ready. Default: off.
    ///
    /// Then `Command::status` and `Command::output` fail with `ECHILD`, and programs that the daemon starts
    /// inherit the setting.
    ignore_sigchld: bool as impl FlagValue = false, "true";
    /// A file that holds the daemon's pid and allows one instance. Relative paths are taken from where the program
    /// was started. Default: none.
    ///
    /// It is locked, flock(2), for as long as the daemon lives, mode 0644, and holds its pid; and a newline after that as soon as
    /// the daemon is ready. It is removed when main returns, panics or exits, and on a SIGTERM, SIGINT, SIGHUP, SIGQUIT or SIGABRT that nobody
    /// handles; where the daemon's user may not remove files from the directory, it is emptied. What an earlier
    /// daemon has left never blocks a start. See [`Instance`](crate::Instance) for the other side.
    ///
    /// A program that ends by `_exit`, or sets a signal back to its default and raises it, leaves the file behind.
    /// With `user` the file is that user's, and start-stop-daemon(8) then wants `--user` or `--exec` beside
    /// `--pidfile`. A symbolic link is refused, and so are a file with several names, and one that is a log or `stdin` too.
    pid_file: Option<PathBuf> as impl PathValue = None, "\"/run/app.pid\"";
    /// Whether the missing directories of [`pid_file`](Self::pid_file), [`stdout`](Self::stdout) and [`stderr`](Self::stderr) are
    /// created, with mode 0755. Default: off.
    ///
    /// The last one of each path belongs to [`user`](Self::user) and [`group`](Self::group), if given, so that the daemon may
    /// remove its pid file and reopen its logs; those above it to whoever starts it. What exists is left as it is. `/run` is
    /// empty after each boot. A failed start may leave directories that it has created.
    create_directories: bool as impl FlagValue = false, "true";
    /// What standard input reads from: a path, an open file, or a [`Stream`]. Default: `/dev/null`.
    stdin: Stream as impl StreamValue = Stream::Null, "\"/etc/app.conf\"";
    /// A log file for standard output, from the moment that the daemon is ready; appended to, and created with
    /// mode 0640 for the daemon's user. Or an open file, which is written to as it is, and not reopened; or a [`Stream`]:
    /// [`Stream::Inherit`] keeps what it is, for `app | multilog`. Default: `/dev/null`.
    ///
    /// With `user` or `group` a symbolic link is refused, and so is a file with several names: that user could point
    /// them at another file.
    stdout: Stream as impl StreamValue = Stream::Null, "\"/var/log/app.log\"";
    /// The same for standard error. The same file as [`stdout`](Self::stdout) is opened once, so that lines do not
    /// overwrite each other. Default: `/dev/null`.
    stderr: Stream as impl StreamValue = Stream::Null, "\"/var/log/app.log\"";
    /// Whether `SIGHUP` reopens the log files, for logrotate(8). One that comes before the daemon is ready is remembered
    /// until then. In the foreground it does nothing: the logs are the supervisor's. Default: off.
    ///
    /// It needs the path of a log. If a file cannot be opened, the old one stays in use and a line in it says why. A handler that the program
    /// has installed before the start is called first. A handler installed later, in the body, must call the previous
    /// one, as those of signal-hook and tokio do.
    ///
    /// A blocking call that the signal interrupts is restarted (SA_RESTART), except poll(2), epoll_wait(2),
    /// nanosleep(2) and calls on a socket with a time-out: these fail with `EINTR`, see signal(7).
    ///
    /// ```text
    /// /var/log/app/app.log {
    ///     weekly
    ///     rotate 4
    ///     create 0640 www-data adm
    ///     postrotate
    ///         [ ! -s /run/app/app.pid ] || kill -HUP $(cat /run/app/app.pid)
    ///     endscript
    /// }
    /// ```
    reopen_on_sighup: bool as impl FlagValue = false, "true";
    /// The user to become, by name or number. Only root, or a process with `CAP_SETUID` and `CAP_SETGID`, may become
    /// another user; who already is that user, in no group beyond its own, need not be root. Default: unchanged.
    ///
    /// Also sets the primary group, unless [`group`](Self::group) is given, the supplementary groups from the
    /// group database (none for a number without an entry), and `USER`, `LOGNAME`, `HOME` and `SHELL`. The
    /// capability sets become empty; the bounding set stays, as it is for every user. Afterwards the process is
    /// not dumpable, and leaves no core file, unless `fs.suid_dumpable` of proc_sys_fs(5) says otherwise.
    ///
    /// Where the group database cannot be read, which the C library does not tell, or setgroups(2) is denied, the daemon
    /// has fewer groups, never more.
    user: Option<Id> as impl IdValue = None, "\"www-data\"";
    /// The group to become, by name or number, as [`user`](Self::user). Default: the user's, if a user is given.
    ///
    /// Without a user the supplementary groups are cleared.
    group: Option<Id> as impl IdValue = None, "33";
    /// The root directory, an absolute path: chroot(2). Names are looked up and files opened before. Default: none.
    ///
    /// What the program opens later must be inside, also what libraries open for it: `/etc/resolv.conf`, time zones,
    /// certificates.
    chroot: Option<PathBuf> as impl PathValue = None, "\"/var/empty\"";
    /// Whether programs that the daemon starts can gain no rights: PR_SET_NO_NEW_PRIVS(2const). Default: off.
    /// In the foreground too, a process that already has threads is refused: it would not hold for them.
    no_new_privileges: bool as impl FlagValue = false, "true";
    /// Whether no core is dumped: RLIMIT_CORE of getrlimit(2) is 0, and the process is not dumpable. Default: off.
    no_core_dumps: bool as impl FlagValue = false, "true";
    /// Inherited descriptors to keep open, at their numbers; 3 and above. Default: none.
    keep_fds: Vec<i32> as impl FdsValue = Vec::new(), "[3, 4]";
    /// The environment variables to keep; all others are cleared, and `PATH`, unless it is named here, is systemd's
    /// default. What is cleared is also overwritten in /proc/PID/environ. `NOTIFY_SOCKET`, `WATCHDOG_PID` and `WATCHDOG_USEC` go
    /// with the rest: name them if the daemon itself talks to systemd. Default: see [the environment](crate#the-environment).
    keep_env: Option<Vec<OsString>> as impl NamesValue = None, "[\"RUST_LOG\", \"LANG\"]";
    /// Whether not to detach. Default: [`supervised`](crate::supervised).
    ///
    /// In the foreground streams and descriptors stay as they are, and so do mask and working directory unless they are given;
    /// `start_timeout` has no effect, and `trace` only says why it does not detach. The environment stays too, but with [`user`](Self::user) the variables that name the
    /// user are set. So do signals, except where [`reopen_on_sighup`](Self::reopen_on_sighup) or
    /// [`ignore_sigchld`](Self::ignore_sigchld) asks for it; and with [`pid_file`](Self::pid_file), or as process 1, the
    /// signals that end a process are handled.
    foreground: Option<bool> as impl FlagValue = None, "std::env::args().any(|arg| arg == \"--foreground\")";
    /// How long the daemon may take until it is ready, in seconds or as a `Duration`; more than 0. Default: 90 s.
    ///
    /// The time begins with the first fork. When it is over, the daemon's process group gets `SIGTERM` and,
    /// 5 s later, `SIGKILL`.
    start_timeout: Option<Duration> as impl TimeValue = None, "std::time::Duration::from_millis(1500)";
    /// Whether to print the process table of the launch on standard error. Default: off.
    trace: bool as impl FlagValue = false, "true";
}

impl Daemon {
    /// Turns this process into the daemon.
    ///
    /// It returns in the daemon only, with what that needs to report that it is [`Ready`]. The process that called it, the
    /// launcher, waits for that and exits with 0. If the daemon ends before, the launcher exits with the same code. Until
    /// [`Ready::notify`] the daemon has the launcher's standard output and error.
    ///
    /// # Errors
    ///
    /// An error in the launcher, before anything is forked, or in the daemon, whose exit code the launcher passes on. If
    /// the session leader fails, or the daemon is killed or too slow, the launcher says so itself and exits. So print an
    /// error and end: the process may be either of the two, and what was done up to then, such as closed descriptors, is
    /// not undone. [`Error::exit`] does both.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// match daemon_runtime::Daemon::new().pid_file("/run/app.pid").start() {
    ///     Ok(ready) => ready.notify(),
    ///     Err(error) => {
    ///         eprintln!("app: {error}");
    ///         std::process::exit(error.exit_code().into());
    ///     }
    /// }
    /// ```
    pub fn start(self) -> Result<Ready> {
        platform::start(&self)
    }

    /// Does what [`start`](Self::start) does, also in a process that has other threads: only this one goes on in the daemon. In the
    /// launcher the others run on until it exits, and a signal that one of them gets is not lost.
    ///
    /// For a library that knows what its threads do, and starts them again after it. Others end and join their threads, and call
    /// `start`. (A signal that ends the program, and that another thread takes between the pid file's creation and the first fork, leaves
    /// that file, empty: it blocks no start.)
    ///
    /// # Safety
    ///
    /// POSIX allows a process that was forked from one with threads to call only async-signal-safe functions, fork(2), and this
    /// crate and the daemon do more. So at the moment of this call no other thread may hold a lock that the daemon needs: those of
    /// the allocator, of stdout and stderr, of the environment, and of what the daemon uses else. (glibc, musl and macOS have the
    /// allocator's in a good state after a fork.) Nor may another thread change the environment until this returns.
    ///
    /// # Errors
    ///
    /// As for `start`, but that threads are no error.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn main() -> Result<(), daemon_runtime::Error> {
    /// // SAFETY: the only other thread sleeps, and holds no lock.
    /// let ready = unsafe { daemon_runtime::Daemon::new().start_with_threads()? };
    /// ready.notify();
    /// # Ok(())
    /// # }
    /// ```
    #[expect(unsafe_code, reason = "the caller has to promise something")]
    pub unsafe fn start_with_threads(mut self) -> Result<Ready> {
        self.may_have_threads = true;
        self.start()
    }

    /// Starts the daemon, and returns in two processes: in the one that calls it, when the daemon is ready; and in the daemon.
    ///
    /// For a client that starts its own server, and goes on. It is one more fork than [`start`](Self::start): the child is
    /// the launcher, and this process waits for it. This process stays what it is: its signals, descriptors, children and
    /// directories are untouched. It always detaches, whatever [`supervised`](crate::supervised) says, and reports to no supervisor: for
    /// an option like `--no-daemon`, which keeps the server in the foreground, call `start` with [`foreground`](Self::foreground).
    ///
    /// Call it early: a process with threads is refused, so before an async runtime; and the daemon has the files open that this
    /// process has opened. Its command line, as ps(1) shows it, is the client's. [`start_timeout`](Self::start_timeout) is more than a
    /// wait: a server that is slower is ended.
    ///
    /// If this process dies before the daemon is ready, the start is aborted. Ctrl-C, which reaches both, aborts it too.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start), and nothing is printed about them. If the daemon ends before it is ready, the kind is
    /// [`StartFailed`](crate::ErrorKind::StartFailed) and the exit code the daemon's own; what it has printed was seen on
    /// standard error. If another daemon holds the pid file, the kind is
    /// [`AlreadyRunning`](crate::ErrorKind::AlreadyRunning). All errors are returned in this process; in the
    /// daemon an error is printed and ends the process.
    ///
    /// # Examples
    ///
    /// A server that another client has just started is waited for, and so is one that is on its way out: it holds the pid file, and
    /// answers no more.
    ///
    /// ```no_run
    /// # use std::{error::Error, os::unix::net::UnixStream, path::Path, time::{Duration, Instant}};
    /// # use daemon_runtime::{Daemon, ErrorKind, Instance, Ready, Spawned};
    /// # type Result<T> = std::result::Result<T, Box<dyn Error>>;
    /// /// Connects to the server, which is started if there is none, within `patience`.
    /// fn connect(socket: &Path, pid_file: &Path, patience: Duration) -> Result<UnixStream> {
    ///     let deadline = Instant::now() + patience;
    ///     let left = || deadline.saturating_duration_since(Instant::now());
    ///     loop {
    ///         match UnixStream::connect(socket) {
    ///             Ok(connection) => return Ok(connection),
    ///             Err(error) if left().is_zero() => return Err(error.into()),
    ///             Err(_) => {}
    ///         }
    ///         match Daemon::new().pid_file(pid_file).spawn() {
    ///             Ok(Spawned::Daemon(ready)) => serve(socket, ready),
    ///             Ok(Spawned::Launcher(_)) => continue, // The server is ready.
    ///             Err(error) if error.kind() == ErrorKind::AlreadyRunning => {}
    ///             Err(error) => return Err(error.into()),
    ///         }
    ///         // Another client has just started it; or it is on its way out, and answers no more.
    ///         let server = Instance::at(pid_file);
    ///         match server.wait_until_ready(left()) {
    ///             Err(error) if error.kind() == ErrorKind::NotRunning => continue,
    ///             waited => waited?,
    ///         }
    ///         match UnixStream::connect(socket) {
    ///             Ok(connection) => return Ok(connection),
    ///             Err(_) => server.wait_until_stopped(left())?,
    ///         }
    ///     }
    /// }
    ///
    /// fn serve(socket: &Path, ready: Ready) -> ! {
    ///     // Bind the socket here. The pid file's lock says that no other server runs, so remove an old one first.
    ///     ready.notify();
    ///     std::process::exit(0)
    /// }
    /// ```
    ///
    /// What the server has to say beside its pid goes through a pair of sockets that was made before:
    ///
    /// ```no_run
    /// # use std::{error::Error, io::{Read, Write}, net::TcpListener, os::unix::net::UnixStream};
    /// # use daemon_runtime::{Daemon, Spawned};
    /// # type Result<T> = std::result::Result<T, Box<dyn Error>>;
    /// # fn serve_port(listener: TcpListener) -> ! { std::process::exit(0) }
    /// /// Starts a server, which tells its port before it is ready.
    /// fn start_server() -> Result<u16> {
    ///     let (mut ours, mut its) = UnixStream::pair()?;
    ///     match Daemon::new().spawn()? {
    ///         Spawned::Daemon(ready) => {
    ///             let listener = TcpListener::bind("127.0.0.1:0")?;
    ///             its.write_all(&listener.local_addr()?.port().to_be_bytes())?;
    ///             drop((ours, its));
    ///             ready.notify();
    ///             serve_port(listener)
    ///         }
    ///         Spawned::Launcher(_) => {
    ///             let mut port = [0; 2];
    ///             ours.read_exact(&mut port)?;
    ///             Ok(u16::from_be_bytes(port))
    ///         }
    ///     }
    /// }
    /// ```
    pub fn spawn(self) -> Result<Spawned> {
        platform::spawn(&self)
    }

    pub(crate) fn streams(&self) -> [&Stream; 3] {
        [&self.stdin, &self.stdout, &self.stderr]
    }

    /// Checks the values by the rules that the attribute applies to literals, in the same words.
    pub(crate) fn check(&self) -> Result<()> {
        if let Some(umask) = self.umask {
            ensure(umask <= 0o777, "umask", &format_args!("{umask:#o}"), "must be at most 0o777")?;
        }
        let streams = ["stdin", "stdout", "stderr"].into_iter().zip(self.streams().map(Stream::path));
        let others = [
            ("chdir", self.chdir.as_deref(), true),
            ("chroot", self.chroot.as_deref(), true),
            ("pid_file", self.pid_file.as_deref(), false),
        ];
        for (option, path, absolute) in
            others.into_iter().chain(streams.clone().map(|(name, path)| (name, path, false)))
        {
            let Some(path) = path else { continue };
            let shown = &path;
            ensure(!path.as_os_str().is_empty(), option, shown, "must not be empty")?;
            ensure(!path.as_os_str().as_encoded_bytes().contains(&0), option, shown, "must not contain a NUL byte")?;
            ensure(!absolute || path.has_root(), option, shown, "must be an absolute path, starting with '/'")?;
        }
        for (name, path) in streams {
            if let (Some(pid_file), true) = (&self.pid_file, path == self.pid_file.as_deref()) {
                let (what, why) = (format!("use pid_file = {}", pid_file.display()), format!("it is {name} too"));
                let error = Error::new(Step::Options, ErrorKind::InvalidOption, what, why);
                return Err(error.advise("give each a file of its own"));
            }
        }
        let has_log = self.stdout.path().or(self.stderr.path()).is_some();
        let has_open = [&self.stdout, &self.stderr].into_iter().any(|stream| matches!(stream, Stream::Open(_)));
        let must = "needs the path of a log file: what is open already is not reopened";
        ensure(!self.reopen_on_sighup || has_log || !has_open, "reopen_on_sighup", &true, must)?;
        for (option, id) in [("user", &self.user), ("group", &self.group)] {
            let Some(id) = id else { continue };
            let (name, id_shown): (&str, &dyn fmt::Debug) = match id {
                Id::Name(name) => (name, name),
                Id::Number(number) => ("a number", number),
            };
            ensure(!name.is_empty(), option, id_shown, "must not be empty")?;
            ensure(!name.contains('\0'), option, id_shown, "must not contain a NUL byte")?;
            ensure(*id != Id::Number(u32::MAX), option, id_shown, "must be less than 4294967295, which means no id")?;
        }
        for (index, fd) in self.keep_fds.iter().enumerate() {
            ensure(*fd >= 0, "keep_fds", fd, "must not list a negative number")?;
            ensure(*fd > 2, "keep_fds", fd, "must not list 0, 1 or 2, which are stdin, stdout and stderr")?;
            ensure(!self.keep_fds[..index].contains(fd), "keep_fds", fd, "must not list a number twice")?;
        }
        for name in self.keep_env.iter().flatten() {
            let shown = &name;
            let bytes = name.as_encoded_bytes();
            ensure(!bytes.is_empty(), "keep_env", shown, "must not list an empty name")?;
            ensure(!bytes.contains(&b'='), "keep_env", shown, "must not list a name with '=' in it")?;
            ensure(!bytes.contains(&0), "keep_env", shown, "must not list a name with a NUL byte in it")?;
        }
        // Not the `Duration` itself, whose printing is more code than all of this.
        let is_zero = self.start_timeout == Some(Duration::ZERO);
        ensure(!is_zero, "start_timeout", &format_args!("0ns"), "must be more than 0 seconds")
    }
}

fn ensure(holds: bool, option: &str, value: &dyn fmt::Debug, must: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    let what = format!("use {option} = {value:?}");
    Err(Error::new(Step::Options, ErrorKind::InvalidOption, what, format!("`{option}` {must}"))
        .advise("correct the option"))
}
