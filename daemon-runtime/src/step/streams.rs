//! stdin, stdout and stderr, daemon(7), step 9: /dev/null, files, or what they are.

use std::fs;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::libc;
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::Stream;
use crate::errno::errno_of;
use crate::error::{Error, ErrorKind, Result, Step};
use crate::step::credentials::Credentials;
use crate::step::file::{self, FilePath};
use crate::step::log::{CreatedLogs, Log, OpenLog};
use crate::sys::{self, FileId, retry};

const NAMES: [&str; 3] = ["stdin", "stdout", "stderr"];

/// The files that the streams will be, open since before the fork.
#[derive(Debug)]
pub(crate) struct Streams {
    /// What each stream will be; `None` is what it is.
    targets: [Option<Target>; 3],
    null: Option<OpenFile>,
    stdin: Option<OpenFile>,
    /// Each file once: two streams with the same file share one open file description, and so its position.
    logs: Vec<OpenLog>,
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Null,
    Input,
    Log(usize),
}

/// A descriptor, and what it was: the body may close it, and use its number for something else.
#[derive(Debug)]
pub(crate) struct OpenFile {
    fd: OwnedFd,
    id: FileId,
}

impl OpenFile {
    pub(crate) fn new(fd: OwnedFd) -> nix::Result<Self> {
        let id = sys::file_id(fd.as_raw_fd())?;
        Ok(OpenFile { fd, id })
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// Returns the descriptor if it still is that file; EBADF if not. Two openings of one device cannot be told apart.
    /// Async-signal-safe.
    pub(crate) fn check(&self) -> nix::Result<&OwnedFd> {
        if sys::file_id(self.fd.as_raw_fd())? == self.id { Ok(&self.fd) } else { Err(Errno::EBADF) }
    }

    /// The same for an owner, who may close it. If it is another file, the number is left to the body.
    pub(crate) fn into_fd(self) -> nix::Result<OwnedFd> {
        match self.check() {
            Ok(_) => Ok(self.fd),
            Err(errno) => {
                let _number = self.fd.into_raw_fd();
                Err(errno)
            }
        }
    }
}

impl Streams {
    pub(crate) fn open(
        wanted: [&Stream; 3],
        root: Option<&Path>,
        credentials: &Credentials,
    ) -> Result<(Self, CreatedLogs)> {
        let mut streams = Streams { targets: [None; 3], null: None, stdin: None, logs: Vec::new() };
        let mut created = CreatedLogs::default();
        let for_another = !credentials.is_unchanged();
        for (number, stream) in wanted.into_iter().enumerate() {
            streams.targets[number] = match stream {
                Stream::Inherit => None,
                Stream::Null => {
                    streams.open_null()?;
                    Some(Target::Null)
                }
                Stream::File(path) => {
                    let opened = match number {
                        0 => streams.open_input(path, for_another),
                        _ => streams.open_log(path, number, root, credentials, &mut created),
                    };
                    Some(opened.map_err(|errno| failed(NAMES[number], path, for_another, errno))?)
                }
            };
        }
        Ok((streams, created))
    }

    fn open_null(&mut self) -> Result<()> {
        if self.null.is_none() {
            self.null = Some(open_null(OFlag::O_CLOEXEC)?);
        }
        Ok(())
    }

    fn open_input(&mut self, path: &Path, for_another: bool) -> nix::Result<Target> {
        let path = FilePath::new(path, for_another, !for_another)?;
        let fd = path.open_for_stream(OFlag::O_RDONLY, Mode::empty())?;
        // Only the opening was not to block.
        retry(|| fcntl(&fd, FcntlArg::F_SETFL(OFlag::empty())))?;
        self.stdin = Some(OpenFile::new(fd)?);
        Ok(Target::Input)
    }

    fn open_log(
        &mut self,
        path: &Path,
        number: usize,
        root: Option<&Path>,
        credentials: &Credentials,
        created: &mut CreatedLogs,
    ) -> nix::Result<Target> {
        let opened = Log::open(path, root, credentials, created)?;
        let known = self.logs.iter().position(|log| log.file.id() == opened.file.id());
        let index = known.unwrap_or(self.logs.len());
        if known.is_none() {
            self.logs.push(opened);
        }
        let log = &mut self.logs[index].log;
        if number == 1 {
            log.for_stdout = true
        } else {
            log.for_stderr = true
        }
        Ok(Target::Log(index))
    }

    /// Refuses a pid file that also is one of these files, before it is emptied.
    pub(crate) fn refuse_pid_file(&self, path: &Path) -> Result<()> {
        refuse_pid_file(path, &|number| match self.targets[number] {
            Some(target) => self.open_file(target).map(OpenFile::id),
            None => sys::file_id(number as i32).ok(),
        })
    }

    /// Replaces stdin.
    pub(crate) fn switch_stdin(&self) -> Result<()> {
        let Some(fd) = self.target(0) else { return Ok(()) };
        fd.and_then(|fd| retry(|| dup2_stdin(fd))).map_err(|errno| Error::system(Step::Streams, "switch stdin", errno))
    }

    /// Replaces stdout and stderr. What stderr has been is returned, for a step that fails afterwards.
    pub(crate) fn switch_output(&self) -> Result<OwnedFd> {
        let failed = |errno| Error::system(Step::Streams, "switch stdout and stderr", errno);
        let old_stderr =
            retry(|| sys::STDERR.try_clone_to_owned().map_err(|error| errno_of(&error))).map_err(failed)?;
        if let Some(fd) = self.target(1) {
            fd.and_then(|fd| retry(|| dup2_stdout(fd))).map_err(failed)?;
        }
        if let Some(fd) = self.target(2) {
            fd.and_then(|fd| retry(|| dup2_stderr(fd))).map_err(failed)?;
        }
        Ok(old_stderr)
    }

    /// What a stream will be; `None` if it stays what it is.
    fn target(&self, number: usize) -> Option<nix::Result<&OwnedFd>> {
        self.open_file(self.targets[number]?).map(OpenFile::check)
    }

    fn open_file(&self, target: Target) -> Option<&OpenFile> {
        match target {
            Target::Null => self.null.as_ref(),
            Target::Input => self.stdin.as_ref(),
            Target::Log(index) => self.logs.get(index).map(|log| &log.file),
        }
    }

    /// Closes the descriptors that have been copied to 0, 1 and 2. The logs are returned, for those who open them again.
    pub(crate) fn close(self) -> Result<Vec<Log>> {
        let failed =
            |errno| Error::system(Step::Streams, "close the descriptors that the streams were copied from", errno);
        let close = |file: OpenFile| match file.into_fd() {
            // The body has closed it.
            Err(Errno::EBADF) => Ok(()),
            fd => fd.and_then(sys::close).map_err(failed),
        };
        self.null.into_iter().chain(self.stdin).try_for_each(close)?;
        self.logs.into_iter().map(|open| close(open.file).map(|()| open.log)).collect()
    }
}

/// The same in the foreground, where the streams stay what they are: the files may be a log of the background.
pub(crate) fn refuse_pid_file_in_foreground(path: &Path, wanted: [&Stream; 3]) -> Result<()> {
    refuse_pid_file(path, &|number| {
        let file = wanted[number].path().and_then(|path| fs::metadata(path).ok());
        file.map_or_else(|| sys::file_id(number as i32).ok(), |file| Some(FileId::from(&file)))
    })
}

fn refuse_pid_file(path: &Path, file: &dyn Fn(usize) -> Option<FileId>) -> Result<()> {
    // What cannot be looked at fails when it is locked.
    let Ok(status) = FilePath::new(path, false, false).and_then(|path| path.status()) else { return Ok(()) };
    let Some(number) = (0..3).find(|number| file(*number) == Some(status.id)) else { return Ok(()) };
    let (what, why) = (format!("use pid_file = {}", path.display()), format!("it is {} too", NAMES[number]));
    Err(Error::new(Step::Options, ErrorKind::InvalidOption, what, why).advise("give each a file of its own"))
}

/// Opens /dev/null as each standard stream that is closed, as Rust does before main. A file of ours would get its number
/// otherwise, and what is printed.
pub(crate) fn open_closed() -> Result<()> {
    let mut polled = [0, 1, 2].map(|fd| libc::pollfd { fd, events: 0, revents: 0 });
    retry(|| sys::poll(&mut polled, Duration::ZERO))
        .map_err(|errno| Error::system(Step::Streams, "look at the standard streams", errno))?;
    for closed in polled.iter().filter(|stream| stream.revents & libc::POLLNVAL != 0) {
        // It gets the lowest number that is free.
        let null = open_null(OFlag::empty())?.fd;
        if null.as_raw_fd() == closed.fd {
            let _stays_open = null.into_raw_fd();
        }
    }
    Ok(())
}

fn open_null(flags: OFlag) -> Result<OpenFile> {
    let path = Path::new("/dev/null");
    let null = retry(|| open(path, OFlag::O_RDWR | flags, Mode::empty())).and_then(OpenFile::new);
    null.map_err(|errno| failed("null device", path, false, errno))
}

fn failed(name: &str, path: &Path, for_another: bool, errno: Errno) -> Error {
    let what = format!("open {name} {}", path.display());
    let error = |advice| Error::new(Step::Streams, ErrorKind::File, what.clone(), file::describe(errno)).advise(advice);
    match errno {
        file::UNTRUSTED_LINK => error("name the file itself, or make root the owner of the link"),
        Errno::ELOOP if for_another && path.starts_with("/dev") => {
            error("with `user` or `group`, use `Stream::Inherit` to keep a stream")
        }
        Errno::ELOOP | file::SEVERAL_NAMES if for_another => error("with `user` or `group`, name the file itself"),
        _ => Error::system(Step::Streams, what, errno),
    }
}
