//! stdin, stdout and stderr, daemon(7), step 9: /dev/null, files, or what they are.

use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::error::{Error, ErrorKind, OrFail, Result, Step};
use crate::step::credentials::Credentials;
use crate::step::path::{self, For, Place};
use crate::step::reopen::{LOG_FLAGS, LOG_MODE, Log};
use crate::sys::{self, retry};
use crate::{OpenFile, Stream};

/// The files that the streams will be, open since before the fork; `None` is what a stream is already. Two streams that are the same
/// share one open file description, and so its position.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    files: [Option<Arc<OwnedFd>>; 3],
    /// For those who open them again.
    logs: Vec<Log>,
}

impl Streams {
    /// Opens what stdin, stdout and stderr will be.
    pub(crate) fn open(wanted: [&Stream; 3], root: Option<&Path>, credentials: &Credentials) -> Result<Self> {
        let mut files = [None, None, None];
        for (number, stream) in wanted.into_iter().enumerate() {
            let is_same = |earlier: &usize| match (wanted[*earlier], stream) {
                (Stream::Null, Stream::Null) => true,
                (Stream::File(earlier_path), Stream::File(path)) => *earlier > 0 && earlier_path == path,
                _ => false,
            };
            files[number] = match (0..number).find(is_same) {
                Some(earlier) => files[earlier].clone(),
                None => open(stream, number, credentials)?.map(Arc::new),
            };
        }
        let [_, stdout, stderr] = wanted.map(Stream::path);
        Ok(Streams { files, logs: Log::list(stdout, stderr, root) })
    }

    /// Returns the log files.
    pub(crate) fn logs_to_reopen(&mut self) -> Vec<Log> {
        std::mem::take(&mut self.logs)
    }

    /// Replaces stdin.
    pub(crate) fn switch_input(&mut self) -> Result<()> {
        self.files[0].take().map_or(Ok(()), |file| retry(|| dup2_stdin(&*file))).or_fail(Step::Streams, "switch stdin")
    }

    /// Replaces stdout and stderr. What stderr has been is returned, for a step that fails afterwards.
    pub(crate) fn switch_output(&mut self) -> Result<OwnedFd> {
        let [_, stdout, stderr] = &mut self.files;
        let old = sys::STDERR.try_clone_to_owned().or_fail(Step::Streams, "keep what stderr is")?;
        stdout.take().map_or(Ok(()), |file| retry(|| dup2_stdout(&*file))).or_fail(Step::Streams, "switch stdout")?;
        stderr.take().map_or(Ok(()), |file| retry(|| dup2_stderr(&*file))).or_fail(Step::Streams, "switch stderr")?;
        Ok(old)
    }
}

/// Opens what a stream will be; `None` if it stays what it is.
fn open(stream: &Stream, number: usize, credentials: &Credentials) -> Result<Option<OwnedFd>> {
    let (name, open_file) = match number {
        0 => ("stdin", open_input as fn(&Path, &Credentials) -> nix::Result<OwnedFd>),
        _ => (LOG, open_log as _),
    };
    match stream {
        Stream::Inherit => Ok(None),
        Stream::Null => open_null().map(Some),
        Stream::Open(OpenFile(file)) => {
            let copy = match &**file {
                Ok(file) => file.try_clone(),
                Err(errno) => Err(io::Error::from_raw_os_error(*errno)),
            };
            copy.map(|file| Some(file.into())).or_fail(Step::Streams, "use an open file as a standard stream")
        }
        Stream::File(path) => {
            open_file(path, credentials).map(Some).map_err(|errno| not_opened(name, path, credentials.who(), errno))
        }
    }
}

/// Opens /dev/null, and refuses what is none: a file there would be read from, or fill up.
fn open_null() -> Result<OwnedFd> {
    const WHAT: &str = "open null device /dev/null";
    let null = retry(|| nix::fcntl::open("/dev/null", OFlag::O_RDWR | OFlag::O_CLOEXEC, Mode::empty()));
    let null = null.or_fail(Step::Streams, WHAT)?;
    let status = sys::file_status(null.as_raw_fd()).or_fail(Step::Streams, WHAT)?;
    match status.kind == libc::S_IFCHR && sys::NULL_DEVICE.is_none_or(|number| number == status.number) {
        true => Ok(null),
        false => {
            let error = Error::new(Step::Streams, ErrorKind::File, WHAT, "it is another file");
            Err(error.advise("make it anew, as by mknod(1): mknod -m 666 /dev/null c 1 3"))
        }
    }
}

fn open_input(path: &Path, credentials: &Credentials) -> nix::Result<OwnedFd> {
    let file = Place::of_stream(path, credentials.who())?.open(OFlag::O_RDONLY)?;
    make_stream(&file, OFlag::empty(), credentials.who())?;
    Ok(file)
}

/// Opens a log file to append to, or creates it for the daemon's user.
fn open_log(path: &Path, credentials: &Credentials) -> nix::Result<OwnedFd> {
    let place = Place::of_stream(path, credentials.who())?;
    let (file, is_new) = loop {
        match place.open(LOG_FLAGS) {
            Err(Errno::ENOENT) => {}
            opened => break (opened?, false),
        }
        match place.create(LOG_FLAGS, LOG_MODE) {
            // Another start has created it in between.
            Err(Errno::EEXIST) => {}
            created => break (created?, true),
        }
    };
    if is_new {
        // Whatever the umask is. A file system without modes refuses it, which is no reason not to start.
        let _ = fchmod(&file, LOG_MODE);
        credentials.give_file(&file)?;
    }
    make_stream(&file, OFlag::O_APPEND, credentials.who())?;
    Ok(file)
}

/// Refuses what cannot be a stream, and lets the others block: only the opening was not to.
fn make_stream(file: &OwnedFd, flags: OFlag, who: For) -> nix::Result<()> {
    let status = sys::file_status(file.as_raw_fd())?;
    match status.names {
        // Of no use as a stream, and with a new root a way out of it.
        _ if status.kind == libc::S_IFDIR => Err(Errno::EISDIR),
        2.. if who == For::Another => Err(path::SEVERAL_NAMES),
        _ => fcntl(file, FcntlArg::F_SETFL(flags)).map(drop),
    }
}

const LOG: &str = "log";

fn not_opened(name: &str, path: &Path, who: For, errno: Errno) -> Error {
    let error = Error::system(Step::Streams, format_args!("open {name} {}", path.display()), errno);
    let why = path::describe(errno);
    match errno {
        Errno::ENOENT if name == LOG => error.explain(path::NO_DIRECTORY, "create it"),
        path::UNTRUSTED_LINK => error.explain(why, "name the file itself, or make root the owner of the link"),
        Errno::ELOOP if who == For::Another && path.starts_with("/dev") => {
            error.explain(why, "a daemon of another user can only inherit it")
        }
        Errno::ELOOP | path::SEVERAL_NAMES if who == For::Another => {
            error.explain(why, "name the file itself: another user runs the daemon")
        }
        _ => error,
    }
}

/// Writes out what is buffered, which would otherwise appear twice, or not at all.
pub(crate) fn flush() -> Result<()> {
    io::stdout().flush().or_fail(Step::Streams, "write what the program has printed")?;
    sys::flush_c_streams().or_fail(Step::Streams, "write what the program has printed")
}
