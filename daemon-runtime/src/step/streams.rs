//! stdin, stdout and stderr: /dev/null, or files. daemon(7), step 9.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::sys::stat::Mode;
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::error::{Error, ErrorKind, Result, Step, errno_of};
use crate::step::credentials::Credentials;
use crate::step::file::open_for_stream;
use crate::step::log::Log;
use crate::sys::{self, FileId, retry};

/// The files that the streams will be, open since before the fork.
#[derive(Debug)]
pub(crate) struct Streams {
    /// For every stream that has no file.
    null: Option<OwnedFd>,
    stdin: Option<OwnedFd>,
    /// Each file once: two streams with the same file share one open file description, and so its position.
    logs: Vec<OpenLog>,
}

#[derive(Debug)]
struct OpenLog {
    fd: OwnedFd,
    id: FileId,
    log: Log,
}

impl Streams {
    pub(crate) fn open(
        [stdin, stdout, stderr]: [Option<&Path>; 3],
        root: Option<&Path>,
        credentials: &Credentials,
    ) -> Result<Self> {
        let mut streams = Streams { null: None, stdin: None, logs: Vec::new() };
        let for_another = !credentials.is_unchanged();
        if let Some(path) = stdin {
            let fd = open_input(path, for_another).map_err(|errno| failed("stdin", path, for_another, errno))?;
            streams.stdin = Some(fd);
        }
        if let Some(path) = stdout {
            let opened = streams.open_log(path, root, credentials);
            opened.map_err(|errno| failed("stdout", path, for_another, errno))?.for_stdout = true;
        }
        if let Some(path) = stderr {
            let opened = streams.open_log(path, root, credentials);
            opened.map_err(|errno| failed("stderr", path, for_another, errno))?.for_stderr = true;
        }
        if [stdin, stdout, stderr].contains(&None) {
            let path = Path::new("/dev/null");
            let fd = retry(|| open(path, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()));
            streams.null = Some(fd.map_err(|errno| failed("null device", path, false, errno))?);
        }
        Ok(streams)
    }

    fn open_log(&mut self, path: &Path, root: Option<&Path>, credentials: &Credentials) -> nix::Result<&mut Log> {
        let (fd, log) = Log::open(path, root, credentials)?;
        let id = sys::file_id(fd.as_raw_fd())?;
        let index = self.logs.iter().position(|other| other.id == id).unwrap_or(self.logs.len());
        if index == self.logs.len() {
            self.logs.push(OpenLog { fd, id, log });
        }
        Ok(&mut self.logs[index].log)
    }

    /// The descriptors in use here.
    pub(crate) fn fds(&self) -> impl Iterator<Item = RawFd> {
        let logs = self.logs.iter().map(|log| &log.fd);
        self.null.iter().chain(&self.stdin).chain(logs).map(AsRawFd::as_raw_fd)
    }

    /// Replaces stdin.
    pub(crate) fn switch_stdin(&self) -> Result<()> {
        let failed = |errno| Error::system(Step::Streams, "switch stdin", errno);
        self.stdin.as_ref().or(self.null.as_ref()).map_or(Ok(()), |fd| retry(|| dup2_stdin(fd)).map_err(failed))
    }

    /// Replaces stdout and stderr. What stderr has been is returned, for a step that fails afterwards.
    pub(crate) fn switch_output(&self) -> Result<OwnedFd> {
        let failed = |errno| Error::system(Step::Streams, "switch stdout and stderr", errno);
        let old_stderr =
            retry(|| sys::STDERR.try_clone_to_owned().map_err(|error| errno_of(&error))).map_err(failed)?;
        let log = |wanted: fn(&Log) -> bool| self.logs.iter().find(|open| wanted(&open.log)).map(|open| &open.fd);
        if let Some(fd) = log(|log| log.for_stdout).or(self.null.as_ref()) {
            retry(|| dup2_stdout(fd)).map_err(failed)?;
        }
        if let Some(fd) = log(|log| log.for_stderr).or(self.null.as_ref()) {
            retry(|| dup2_stderr(fd)).map_err(failed)?;
        }
        Ok(old_stderr)
    }

    /// Closes the descriptors that have been copied to 0, 1 and 2. The logs are returned, for those who open them again.
    pub(crate) fn close(self) -> Result<Vec<Log>> {
        let failed =
            |errno| Error::system(Step::Streams, "close the descriptors that the streams were copied from", errno);
        let close = |fd| sys::close(fd).map_err(failed);
        self.null.into_iter().chain(self.stdin).try_for_each(close)?;
        self.logs.into_iter().map(|open| close(open.fd).map(|()| open.log)).collect()
    }
}

fn open_input(path: &Path, for_another: bool) -> nix::Result<OwnedFd> {
    let fd = open_for_stream(path, OFlag::O_RDONLY, Mode::empty(), for_another)?;
    // Only the opening was not to block.
    retry(|| fcntl(&fd, FcntlArg::F_SETFL(OFlag::empty())))?;
    Ok(fd)
}

fn failed(name: &str, path: &Path, for_another: bool, errno: Errno) -> Error {
    let what = format!("open {name} {}", path.display());
    let why = match errno {
        Errno::ELOOP if for_another => "it is a symbolic link",
        Errno::EMLINK if for_another => "it has several names",
        _ => return Error::system(Step::Streams, what, errno),
    };
    Error::new(Step::Streams, ErrorKind::File, what, why).advise("with `user` or `group`, name the file itself")
}
