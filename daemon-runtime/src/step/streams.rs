//! stdin, stdout and stderr: /dev/null, or files.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};

use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::libc::{dev_t, ino_t};
use nix::sys::stat::{Mode, SFlag, fchmod, fstat};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::Daemon;
use crate::error::{Error, Result, Step, code, errno_of};
use crate::step::privileges::Identity;
use crate::sys::{self, retry};

/// A log file belongs to those who run the daemon, and is for the eyes of its group.
const LOG_MODE: Mode = Mode::from_bits_truncate(0o640);
const LOG_FLAGS: OFlag = OFlag::O_WRONLY.union(OFlag::O_APPEND).union(OPEN_FLAGS);
/// No terminal becomes the controlling one, and a FIFO that nobody reads does not hang the start.
const OPEN_FLAGS: OFlag = OFlag::O_CLOEXEC.union(OFlag::O_NOCTTY).union(OFlag::O_NONBLOCK);

/// The files that the streams will be, open since before the fork.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Each file once: streams with the same file share one open file description, and so its position.
    files: Vec<File>,
    /// For stdin, stdout and stderr the index of its file.
    of: [usize; 3],
    /// Another user or group was asked for, who may set traps: see [`open_safely`].
    pub(super) for_another: bool,
}

#[derive(Debug)]
struct File {
    fd: OwnedFd,
    identity: (dev_t, ino_t),
    path: PathBuf,
    purpose: Use,
}

#[derive(Debug, PartialEq)]
enum Use {
    Null,
    Input,
    Log,
}

impl Streams {
    pub(crate) fn open(asked: &Daemon, identity: &Identity) -> Result<Self> {
        let mut streams = Streams { files: Vec::new(), of: [0; 3], for_another: !identity.is_unchanged() };
        let wanted = [("stdin", &asked.stdin), ("stdout", &asked.stdout), ("stderr", &asked.stderr)];
        for (stream, (name, path)) in wanted.into_iter().enumerate() {
            streams.of[stream] = match (stream, path) {
                (_, None) => streams.null()?,
                (0, Some(path)) => {
                    let opened = open_safely(path, OFlag::O_RDONLY, streams.for_another);
                    let fd = opened.map_err(|errno| streams.not_opened(name, path, errno))?;
                    streams.add(name, path, fd, Use::Input)?
                }
                (_, Some(path)) => {
                    let failed = |errno| streams.not_opened(name, path, errno);
                    let (fd, created) = open_log(path, streams.for_another).map_err(failed)?;
                    if created {
                        identity.give(&fd).map_err(failed)?;
                    }
                    streams.add(name, path, fd, Use::Log)?
                }
            };
        }
        Ok(streams)
    }

    fn not_opened(&self, name: &str, path: &Path, errno: Errno) -> Error {
        let why = match errno {
            Errno::ELOOP if self.for_another => "it is a symbolic link",
            Errno::EMLINK if self.for_another => "it has several names",
            _ => return failed(name, path, errno),
        };
        Error::new(Step::Streams, code::CANNOT_CREATE, opening(name, path), why)
            .advise("with `user` or `group`, name the file itself")
    }

    fn null(&mut self) -> Result<usize> {
        match self.files.iter().position(|file| file.purpose == Use::Null) {
            Some(known) => Ok(known),
            None => {
                let (name, path) = ("null device", Path::new("/dev/null"));
                let fd = retry(|| open(path, OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()));
                self.add(name, path, fd.map_err(|errno| failed(name, path, errno))?, Use::Null)
            }
        }
    }

    /// The index of a file, which is not kept twice.
    fn add(&mut self, name: &str, path: &Path, fd: OwnedFd, purpose: Use) -> Result<usize> {
        let failed = |errno| failed(name, path, errno);
        let identity = sys::identity(fd.as_raw_fd()).map_err(failed)?;
        let same = |file: &File| file.identity == identity && file.purpose == purpose;
        if let Some(known) = self.files.iter().position(same) {
            return Ok(known);
        }
        // Only the opening was not to block.
        let flags = if purpose == Use::Log { OFlag::O_APPEND } else { OFlag::empty() };
        if purpose != Use::Null {
            retry(|| fcntl(&fd, FcntlArg::F_SETFL(flags))).map_err(failed)?;
        }
        let path = std::path::absolute(path).map_err(|error| failed(errno_of(&error)))?;
        self.files.push(File { fd, identity, path, purpose });
        Ok(self.files.len() - 1)
    }

    /// The descriptors in use here.
    pub(crate) fn fds(&self) -> impl Iterator<Item = RawFd> {
        self.files.iter().map(|file| file.fd.as_raw_fd())
    }

    /// Replaces stdin.
    pub(crate) fn switch_stdin(&self) -> Result<()> {
        let file = &self.files[self.of[0]];
        retry(|| dup2_stdin(&file.fd)).map_err(|errno| Error::system(Step::Streams, "switch stdin", errno))
    }

    /// Replaces stdout and stderr. What they have been is returned, for a step that fails afterwards.
    pub(crate) fn switch_output(&self) -> Result<OwnedFd> {
        let failed = |errno| Error::system(Step::Streams, "switch stdout and stderr", errno);
        let terminal = retry(|| sys::STDERR.try_clone_to_owned().map_err(|error| errno_of(&error))).map_err(failed)?;
        retry(|| dup2_stdout(&self.files[self.of[1]].fd)).map_err(failed)?;
        retry(|| dup2_stderr(&self.files[self.of[2]].fd)).map_err(failed)?;
        Ok(terminal)
    }

    /// Closes the descriptors that have been copied to 0, 1 and 2.
    pub(crate) fn close(self) -> Result<()> {
        let failed =
            |errno| Error::system(Step::Streams, "close the descriptors that the streams were copied from", errno);
        self.files.into_iter().try_for_each(|file| sys::close(file.fd).map_err(failed))
    }

    /// The log files: the path of each, whether it is stdout's, and whether it is stderr's.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&Path, bool, bool)> {
        let logs = self.files.iter().enumerate().filter(|(_, file)| file.purpose == Use::Log);
        logs.map(|(index, file)| (&*file.path, self.of[1] == index, self.of[2] == index))
    }
}

/// Opens a log file to append to, or creates it, and tells which. Async-signal-safe.
pub(super) fn open_log(path: &(impl NixPath + ?Sized), for_another: bool) -> nix::Result<(OwnedFd, bool)> {
    loop {
        match open_safely(path, LOG_FLAGS, for_another) {
            Err(Errno::ENOENT) => {}
            opened => return opened.map(|fd| (fd, false)),
        }
        // What is created is given away, so it must not be what somebody has put there in the meantime.
        let exclusive = if for_another { OFlag::O_EXCL } else { OFlag::empty() };
        match open_safely(path, LOG_FLAGS | OFlag::O_CREAT | exclusive, for_another) {
            Err(Errno::EEXIST) => {}
            created => {
                let fd = created?;
                // Whatever the umask is.
                retry(|| fchmod(&fd, LOG_MODE))?;
                return Ok((fd, true));
            }
        }
    }
}

/// Opens a file for somebody who may have prepared it: where root opens it for another user, a link in a directory of
/// that user could stand for a file that is none of his business. Then a symbolic link is ELOOP, and a file with several
/// names EMLINK. Async-signal-safe.
fn open_safely(path: &(impl NixPath + ?Sized), flags: OFlag, for_another: bool) -> nix::Result<OwnedFd> {
    let no_link = if for_another { OFlag::O_NOFOLLOW } else { OFlag::empty() };
    let fd = retry(|| open(path, flags | OPEN_FLAGS | no_link, LOG_MODE))?;
    let stat = retry(|| fstat(&fd))?;
    match stat.st_nlink {
        // Of no use as a stream, and with a new root a way out of it.
        _ if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR => Err(Errno::EISDIR),
        2.. if for_another => Err(Errno::EMLINK),
        _ => Ok(fd),
    }
}

fn opening(name: &str, path: &Path) -> String {
    format!("open {name} {}", path.display())
}

fn failed(name: &str, path: &Path, errno: Errno) -> Error {
    Error::system(Step::Streams, opening(name, path), errno)
}
