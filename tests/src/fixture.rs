//! What the fixture programs do: options from the environment, and a body from the arguments.
//!
//! The environment variable `DAEMON_CHDIR` is the option `chdir`, and so on. The arguments are words, done in turn:
//! `notify`, `print=text`, `eprint=text`, `touch=name` (marks in the family's directory that it came here), `wait=name`
//! (until that mark is there), `error=text` and `ok` (main returns), `exit=3`, `panic=text`, `signal=9`, `abort`,
//! `ignore=15` (a signal), `exec=program`, `fork` (a child that holds all descriptors and stays), `clone` (one that clone(2)
//! has made, which keeps the lock too), `child` (one that ends
//! and is not waited for), `fork_exit` (one that exits as a program does, and is waited for), `fork_fork` (the same, and
//! has a child of its own, which must have all that it has opened), `spawn` (a program that stays), `drop` (its `Ready`),
//! `thread`, `spin` (a busy one), `setsid`, `again` (another start), `deny=7` and `deadly=7` (a seccomp filter for the system
//! call of that number), `close_all` (every descriptor above 2), `write=name` (a file), `keep_open=name` (a file that stays
//! open), `hold_c_stdin` (a thread that waits in C's stdin), `container_child` (a child that is process 1 of a pid namespace, and
//! ends), `child_daemon=name` (a forked child that becomes a daemon of its own, with that pid file), `mark` (a system call that a
//! tracer knows), `state=name` (what this process can tell of itself, as that file), `pause` (until it is killed).
//! Without arguments: `notify touch=body pause`.

use std::error::Error;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, fs, io, process, thread};

use daemon_runtime::{Daemon, Ready, Stream};
#[cfg(linux_alone)]
use nix::libc;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getsid, pause, setsid};

use crate::{TAG, raw, state, until};

/// What the body gives back to `main`.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// The process id that no process has and that `mark` asks for the session of.
pub const BODY: i32 = i32::MAX - 1;

/// The same at the beginning of `main`.
pub const MAIN: i32 = i32::MAX - 2;

/// Read in the launcher: the daemon's environment may be another one.
static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();

/// Puts the attribute with every option above a main; each takes its value from the environment. `setup = expression;`
/// may come before it, and has to call [`begin`].
#[macro_export]
macro_rules! with_every_option {
    ($(setup = $setup:expr;)? fn main $($main:tt)*) => {
        #[daemon_runtime::daemon(
            $(setup = $setup,)?
            umask = {
                $crate::fixture::begin();
                $crate::fixture::number("umask")
            },
            chdir = $crate::fixture::text("chdir"),
            ignore_sigchld = $crate::fixture::flag("ignore_sigchld"),
            pid_file = $crate::fixture::text("pid_file"),
            create_directories = $crate::fixture::flag("create_directories"),
            stdin = $crate::fixture::stream("stdin"),
            stdout = $crate::fixture::stream("stdout"),
            stderr = $crate::fixture::stream("stderr"),
            reopen_on_sighup = $crate::fixture::flag("reopen_on_sighup"),
            user = $crate::fixture::text("user"),
            group = $crate::fixture::text("group"),
            chroot = $crate::fixture::text("chroot"),
            no_new_privileges = $crate::fixture::flag("no_new_privileges"),
            no_core_dumps = $crate::fixture::flag("no_core_dumps"),
            keep_fds = $crate::fixture::keep_fds(),
            keep_env = $crate::fixture::list("keep_env"),
            foreground = $crate::fixture::flag("foreground").then_some(true),
            start_timeout = $crate::fixture::time("start_timeout"),
            trace = $crate::fixture::flag("trace"),
        )]
        fn main $($main)*
    };
}

/// To be called before anything else in main; a second call does nothing. It tells a tracer so. `DAEMON_THREAD` asks for
/// a thread before the start, `DAEMON_PRINT` for text that stays in stdout's buffer.
pub fn begin() {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if BEGUN.swap(true, Ordering::Relaxed) {
        return;
    }
    let _ = getsid(Some(Pid::from_raw(MAIN)));
    if let Some(directory) = env::var_os(TAG) {
        DIRECTORY.get_or_init(|| directory.into());
    }
    if flag("thread") {
        thread::spawn(pause);
    }
    if let Some(text) = text("print") {
        print!("{text}");
    }
}

/// The option `name` as text, if the environment has it.
pub fn text(name: &str) -> Option<String> {
    env::var(format!("DAEMON_{}", name.to_uppercase())).ok()
}

/// The option `name` as a stream: a path, or `INHERIT`.
pub fn stream(name: &str) -> Option<Stream> {
    text(name).map(|text| if text == "INHERIT" { Stream::Inherit } else { Stream::File(text.into()) })
}

/// The option `name` as a number; `0o` and what follows is octal.
pub fn number(name: &str) -> Option<u32> {
    let text = text(name)?;
    let number = match text.strip_prefix("0o") {
        Some(octal) => u32::from_str_radix(octal, 8),
        None => text.parse(),
    };
    Some(number.unwrap_or_else(|error| panic!("{name}={text}: {error}")))
}

/// The option `start_timeout`, in milliseconds.
pub fn time(name: &str) -> Option<Duration> {
    Some(Duration::from_millis(number(name)?.into()))
}

/// The option `name`, if the environment has it with any value.
pub fn flag(name: &str) -> bool {
    text(name).is_some()
}

/// The option `name`, words with commas between them.
pub fn list(name: &str) -> Option<Vec<String>> {
    Some(text(name)?.split(',').map(str::to_owned).collect())
}

/// The option `keep_fds`, numbers with commas between them.
pub fn keep_fds() -> Option<Vec<i32>> {
    let numbers = list("keep_fds")?;
    Some(numbers.iter().map(|number| number.parse().expect("a number")).collect())
}

/// Blocks a signal, or ignores it, as a program does in its setup.
pub fn set_signal(verb: &str, number: i32) -> Result {
    let signal = Signal::try_from(number)?;
    Ok(if verb == "block" { raw::block(signal) } else { raw::ignore(signal) }?)
}

/// Marks in the family's directory that this process came to `name`.
pub fn touch(name: &str) -> io::Result<()> {
    symlink(process::id().to_string(), path(name))
}

/// Waits for a mark.
pub fn wait(name: &str) {
    until(name, || is_marked(name).then_some(()));
}

/// Whether a mark is there.
pub fn is_marked(name: &str) -> bool {
    fs::symlink_metadata(path(name)).is_ok()
}

/// Does what the arguments say.
pub fn body(ready: Option<Ready>) -> Result {
    let mut words: Vec<String> = env::args().skip(1).collect();
    if words.is_empty() {
        words = ["notify", "touch=body", "pause"].map(str::to_owned).to_vec();
    }
    let mut ready = ready;
    for word in &words {
        let (verb, value) = word.split_once('=').unwrap_or((word, ""));
        match verb {
            // In a main that takes no `Ready` this is done already.
            "notify" => ready.take().into_iter().for_each(Ready::notify),
            "print" => println!("{value}"),
            "eprint" => eprintln!("{value}"),
            "touch" => touch(value)?,
            "wait" => wait(value),
            "error" => return Err(value.into()),
            "ok" => return Ok(()),
            "exit" => process::exit(value.parse()?),
            "panic" => panic!("{value}"),
            "signal" => raw::raise(value.parse()?)?,
            "ignore" => raw::ignore(Signal::try_from(value.parse::<i32>()?)?)?,
            "abort" => process::abort(),
            "exec" => return Err(Command::new(value).exec().into()),
            "fork" => raw::fork_holder()?,
            #[cfg(linux_alone)]
            "clone" => raw::clone_holder()?,
            "fork_exit" => raw::fork_exit(|| 0)?,
            "fork_fork" => raw::fork_exit(|| {
                let opened: Vec<_> = (0..9).map(|_| fs::File::open("/dev/null").expect("a descriptor")).collect();
                let is_open = |file: &fs::File| file.metadata().is_ok();
                raw::fork_exit(|| (!opened.iter().all(is_open)).into()).map_or(1, |()| 0)
            })?,
            "drop" => drop(ready.take()),
            "child" => drop(Command::new("true").spawn()?),
            "setsid" => drop(setsid()?),
            "again" => match Daemon::new().start() {
                Ok(again) => again.notify(),
                Err(error) => eprintln!("again: {error}"),
            },
            "state" => fs::write(path(value), state::own())?,
            #[cfg(linux_alone)]
            "deny" => raw::forbid(value.parse()?, value.parse()?, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32)?,
            #[cfg(linux_alone)]
            "deadly" => raw::forbid(value.parse()?, value.parse()?, libc::SECCOMP_RET_KILL_PROCESS)?,
            "spawn" => drop(Command::new("sleep").arg("1000").spawn()?),
            "thread" => drop(thread::spawn(pause)),
            "spin" => drop(thread::spawn(|| {
                loop {
                    std::hint::spin_loop();
                }
            })),
            "close_all" => raw::close_all()?,
            "write" => fs::write(path(value), "precious data")?,
            "keep_open" => std::mem::forget(fs::File::options().append(true).create(true).open(path(value))?),
            #[cfg(linux_alone)]
            "hold_c_stdin" => raw::read_c_stdin_in_a_thread(),
            #[cfg(linux_alone)]
            "container_child" => {
                nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWPID)?;
                raw::fork_exit(|| 0)?;
            }
            "child_daemon" => raw::fork_exit(|| become_daemon(value))?,
            "mark" => drop(getsid(Some(Pid::from_raw(BODY)))),
            "pause" => loop {
                pause();
            },
            _ => return Err(format!("fixture: no such word: {word}").into()),
        }
    }
    Ok(())
}

/// In a child of the daemon: another start, with the pid file `name`.
fn become_daemon(name: &str) -> i32 {
    match Daemon::new().pid_file(path(name)).stderr(path("child.log")).reopen_on_sighup(true).start() {
        Ok(ready) => {
            touch("child").expect("a mark");
            ready.notify();
            loop {
                pause();
            }
        }
        Err(error) => {
            eprintln!("child: {error}");
            1
        }
    }
}

fn path(name: &str) -> PathBuf {
    DIRECTORY.get().expect("the fixture was launched by a family").join(name)
}
