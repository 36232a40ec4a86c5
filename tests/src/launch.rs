//! Starting a program, and collecting how it ended and what it wrote.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::hostile::Condition;
use crate::{DEADLINE, Family, TAG, raw, within};

/// A program about to be started: stdin is `/dev/null`, stdout and stderr are collected, the umask is 022, and it inherits
/// no other descriptor, no ignored signal and no variable but PATH, and dumps no core.
#[derive(Debug)]
#[must_use = "nothing runs before `run` or `start`"]
pub struct Launch<'a> {
    family: &'a Family,
    command: Command,
}

/// A started program.
#[derive(Debug)]
pub struct Running<'a> {
    family: &'a Family,
    child: Child,
    stdout: Stream,
    stderr: Stream,
    started: Instant,
}

/// A program that has ended.
#[derive(Debug)]
pub struct End {
    /// How it ended.
    pub status: ExitStatus,
    /// All that was written to its stdout.
    pub stdout: String,
    /// All that was written to its stderr.
    pub stderr: String,
    /// The time from its start to its end.
    pub took: Duration,
    /// The process id it had.
    pub pid: i32,
}

impl<'a> Launch<'a> {
    pub(crate) fn new(family: &'a Family, program: &OsStr) -> Launch<'a> {
        let mut command = Command::new(program);
        // What the test itself runs under is not the program's business.
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env(TAG, family.directory());
        raw::before_exec(&mut command, raw::begin_anew);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Launch { family, command }
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// An environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// The working directory.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Another stdin.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// A stdout that is not collected.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.command.stdout(stdout);
        self
    }

    /// A stderr that is not collected.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.command.stderr(stderr);
        self
    }

    /// A condition that it starts in; see [`hostile`](crate::hostile).
    pub fn under(mut self, condition: Condition) -> Self {
        raw::before_exec(&mut self.command, condition);
        self
    }

    /// What it is launched in.
    pub fn family(&self) -> &'a Family {
        self.family
    }

    /// What no method here does.
    pub fn command(&mut self) -> &mut Command {
        &mut self.command
    }

    /// Starts it.
    pub fn start(mut self) -> Running<'a> {
        let started = Instant::now();
        let mut child = self.command.spawn().unwrap_or_else(|error| panic!("cannot run {:?}: {error}", self.command));
        let stdout = Stream::of(child.stdout.take());
        let stderr = Stream::of(child.stderr.take());
        Running { family: self.family, child, stdout, stderr, started }
    }

    /// Starts it and waits until it has ended.
    pub fn run(self) -> End {
        self.start().end()
    }
}

/// The options, by their names.
pub fn with<'a>(launch: Launch<'a>, options: &[(&str, &str)]) -> Launch<'a> {
    options.iter().fold(launch, |launch, (name, value)| launch.env(format!("DAEMON_{}", name.to_uppercase()), value))
}

impl Running<'_> {
    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("a child that was not waited for can be signalled");
    }

    /// What it has written to its stdout up to now.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to its stderr up to now.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the status of a child").is_some()
    }

    /// Waits until it has ended and both streams are closed, by everyone who held them. Never hangs: after the deadline
    /// the test fails.
    pub fn end(mut self) -> End {
        let ended = within(DEADLINE, || {
            let status = self.child.try_wait().expect("the status of a child")?;
            Some((status, self.started.elapsed()))
        });
        let Some((status, took)) = ended else {
            self.fail("has not ended");
        };
        if within(DEADLINE, || (self.stdout.is_closed() && self.stderr.is_closed()).then_some(())).is_none() {
            self.fail("has ended, but somebody still holds its stdout or stderr");
        }
        End { status, stdout: self.stdout.text(), stderr: self.stderr.text(), took, pid: self.child.id() as i32 }
    }

    fn fail(&mut self, how: &str) -> ! {
        let left: Vec<_> = self.family.members().into_iter().filter_map(crate::Proc::of).collect();
        let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
        let _ = self.child.kill();
        let _ = self.child.wait();
        panic!("{} {how} after {DEADLINE:?}\nstdout: {stdout}\nstderr: {stderr}\nleft: {left:#?}", self.child.id());
    }
}

impl End {
    /// Fails if it did not end with this exit code.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Fails if it was not ended by this signal.
    #[track_caller]
    pub fn assert_signal(&self, signal: Signal) -> &Self {
        assert_eq!(self.status.signal(), Some(signal as i32), "{self:#?}");
        self
    }

    /// Fails if it wrote anything else to stderr.
    #[track_caller]
    pub fn assert_stderr(&self, stderr: &str) -> &Self {
        assert_eq!(self.stderr, stderr, "{self:#?}");
        self
    }

    /// Fails if its stderr lacks one of the parts.
    #[track_caller]
    pub fn assert_says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr.contains(part), "{part:?} is not said: {self:#?}");
        }
        self
    }

    /// Fails if its stderr is not one line.
    #[track_caller]
    pub fn assert_one_line(&self) -> &Self {
        assert_eq!(self.stderr.lines().count(), 1, "{self:#?}");
        self
    }
}

/// What comes out of a pipe, read by a thread so that nobody who writes has to wait.
#[derive(Clone, Debug, Default)]
struct Stream(Arc<Mutex<(Vec<u8>, bool)>>);

impl Stream {
    fn of(pipe: Option<impl Read + Send + 'static>) -> Stream {
        let stream = Stream::default();
        let Some(mut pipe) = pipe else {
            stream.0.lock().expect("no panic").1 = true;
            return stream;
        };
        let shared = stream.clone();
        thread::spawn(move || {
            let mut some = [0; 4096];
            loop {
                let read = pipe.read(&mut some);
                let mut shared = shared.0.lock().expect("no panic");
                match read {
                    Ok(0) => break shared.1 = true,
                    Ok(count) => shared.0.extend_from_slice(&some[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => panic!("cannot read a pipe: {error}"),
                }
            }
        });
        stream
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("no panic").0).into_owned()
    }

    fn is_closed(&self) -> bool {
        self.0.lock().expect("no panic").1
    }
}
