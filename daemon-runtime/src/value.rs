//! What an option's value may be.
//!
//! Each kind of value has a trait, which the methods of [`Daemon`](crate::Daemon) ask for:
//!
//! | kind | takes |
//! | --- | --- |
//! | [a path](PathValue) | a string, a `Path`, a `PathBuf`, an `OsStr` or an `OsString` |
//! | [a stream](StreamValue) | a [`Stream`], a path, a `File` or an `OwnedFd` |
//! | [a user or group](IdValue) | an [`Id`], a string, or a `u32` |
//! | [a mask](MaskValue) | a `u32` |
//! | [a flag](FlagValue) | a `bool` |
//! | [a time](TimeValue) | a `Duration`, or whole seconds as `u64` |
//! | [descriptors](FdsValue) | an array, a slice or a `Vec` of `i32` |
//! | [names](NamesValue) | an array, a slice or a `Vec` of strings |
//!
//! Each takes also a reference to its values, one of them in a `Box`, `Rc`, `Arc` or `Cow`, and an `Option`, whose `None` leaves
//! the default. Values are borrowed, so `pid_file(&args.pid_file)` leaves `args` usable. The traits are sealed.
//!
//! ```
//! use std::path::PathBuf;
//! use daemon_runtime::Daemon;
//!
//! let from_arguments: Option<PathBuf> = None;
//! let daemon = Daemon::new().pid_file("/run/app.pid").pid_file(&from_arguments).start_timeout(30);
//! ```

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs::File;
#[cfg(unix)]
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// A user or group: by name, or by number.
///
/// ```
/// use daemon_runtime::{Daemon, Id};
///
/// // The same three times.
/// let daemon = Daemon::new().user("root").user(0).user(Id::Number(0));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Id {
    /// A name of the user or group database.
    Name(String),
    /// A numeric id; it needs no entry in the database.
    Number(u32),
}

impl From<&str> for Id {
    fn from(name: &str) -> Self {
        Id::Name(name.to_owned())
    }
}

impl From<String> for Id {
    fn from(name: String) -> Self {
        Id::Name(name)
    }
}

impl From<u32> for Id {
    fn from(number: u32) -> Self {
        Id::Number(number)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Id::Name(name) => f.write_str(name),
            Id::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What a standard stream becomes.
///
/// ```
/// use daemon_runtime::{Daemon, Stream};
///
/// // For `app | multilog t ./log`: both stay the pipe.
/// let daemon = Daemon::new().stdout(Stream::Inherit).stderr(Stream::Inherit);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Stream {
    /// `/dev/null`, the default.
    Null,
    /// What it was when the program was started: a pipe, the journal's socket, a file of the shell's.
    Inherit,
    /// A file. A log file is appended to.
    File(PathBuf),
    /// What is open: a FIFO, a socket, a file that the program has opened by its own flags. It is not reopened.
    Open(OpenFile),
}

/// An open file that a stream becomes: made of a [`File`] or an `OwnedFd`, as [`Stream`] or as an option's value. Clones share it.
///
/// A descriptor that the program was started with (`app 3>>log`) is given as a `Stream`, which owns it; in a `File` of the program's it
/// would be closed with all that is inherited.
///
/// ```
/// use std::fs::File;
/// use daemon_runtime::{Daemon, Stream};
///
/// # fn main() -> std::io::Result<()> {
/// let log = File::options().append(true).open("/dev/null")?;
/// let daemon = Daemon::new().stdout(&log).stderr(Stream::from(log));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenFile(pub(crate) Arc<Result<File, i32>>);

impl From<File> for Stream {
    fn from(file: File) -> Self {
        open(Ok(file))
    }
}

/// A file that could not be copied is an error of the start.
fn open(file: io::Result<File>) -> Stream {
    Stream::Open(OpenFile(Arc::new(file.map_err(|error| error.raw_os_error().unwrap_or(0)))))
}

#[cfg(unix)]
impl From<OwnedFd> for Stream {
    fn from(file: OwnedFd) -> Self {
        File::from(file).into()
    }
}

impl Stream {
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Stream::File(path) => Some(path),
            Stream::Null | Stream::Inherit | Stream::Open(_) => None,
        }
    }

    /// Returns the number of what is open.
    #[cfg(unix)]
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        match self {
            Stream::Open(OpenFile(file)) => file.as_ref().as_ref().ok().map(AsRawFd::as_raw_fd),
            Stream::Null | Stream::Inherit | Stream::File(_) => None,
        }
    }
}

mod sealed {
    /// A value, and what it converts to. `None` leaves the default.
    pub trait Convert<T> {
        fn convert(&self) -> Option<T>;
    }
}
use sealed::Convert;

/// A trait a kind, for the words of rustc about a value of another kind.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident($to:ty), $message:literal, $label:literal;)*) => {$(
        $(#[$doc])*
        #[diagnostic::on_unimplemented(message = $message, label = $label)]
        pub trait $kind: Convert<$to> {}
        #[diagnostic::do_not_recommend]
        impl<V: Convert<$to> + ?Sized> $kind for V {}
    )*};
}

kinds! {
    /// A path.
    PathValue(PathBuf),
        "expected a path, found `{Self}`",
        "a path is a string, a `Path`, a `PathBuf`, or an `Option` of one";
    /// What a standard stream becomes.
    StreamValue(Stream),
        "expected a path, an open file or a `Stream`, found `{Self}`",
        "a path is a string, a `Path`, a `PathBuf`, or an `Option` of one";
    /// A user or group.
    IdValue(Id),
        "expected a user or group, found `{Self}`",
        "a user or group is a name, a `u32`, an `Id`, or an `Option` of one";
    /// A file mode creation mask.
    MaskValue(u32),
        "expected a mask, found `{Self}`",
        "a mask is a `u32`, or an `Option` of one";
    /// On or off.
    FlagValue(bool),
        "expected a flag, found `{Self}`",
        "a flag is a `bool`, or an `Option` of one";
    /// A time.
    TimeValue(Duration),
        "expected a time, found `{Self}`",
        "a time is whole seconds as `u64`, a `Duration`, or an `Option` of one";
    /// A list of descriptors.
    FdsValue(Vec<i32>),
        "expected a list of descriptors, found `{Self}`",
        "a list is an array, a slice or a `Vec` of `i32`, or an `Option` of one";
    /// A list of names of environment variables.
    NamesValue(Vec<OsString>),
        "expected a list of names, found `{Self}`",
        "a list is an array, a slice or a `Vec` of strings, or an `Option` of one";
}

macro_rules! value {
    ($($from:ty => $to:ty, $it:ident: $convert:expr;)*) => {$(
        impl Convert<$to> for $from {
            fn convert(&self) -> Option<$to> {
                let $it = self;
                Some($convert)
            }
        }
    )*};
}

value! {
    bool => bool, it: *it;
    // One integer type for each kind: with a second, rustc could not tell the type of a literal.
    u32 => u32, it: *it;
    u32 => Id, it: Id::Number(*it);
    Id => Id, it: it.clone();
    str => Id, it: it.into();
    String => Id, it: it.as_str().into();
    u64 => Duration, it: Duration::from_secs(*it);
    Duration => Duration, it: *it;
    Stream => Stream, it: it.clone();
    File => Stream, it: open(it.try_clone());
    [i32] => Vec<i32>, it: it.to_vec();
}

#[cfg(unix)]
value! {
    OwnedFd => Stream, it: open(it.try_clone().map(File::from));
}

/// Paths are streams too.
macro_rules! path {
    ($($from:ty),*) => {
        value! {
            $($from => PathBuf, it: AsRef::<Path>::as_ref(it).to_owned();)*
            $($from => Stream, it: Stream::File(AsRef::<Path>::as_ref(it).to_owned());)*
        }
    };
}

path!(str, String, OsStr, OsString, Path, PathBuf);

impl<S: AsRef<OsStr>> Convert<Vec<OsString>> for [S] {
    fn convert(&self) -> Option<Vec<OsString>> {
        Some(self.iter().map(|name| name.as_ref().to_owned()).collect())
    }
}

/// What holds a value, or none.
macro_rules! holder {
    ($([$($bound:tt)*] $from:ty, $it:ident: $value:expr;)*) => {$(
        impl<T, V: Convert<T> + $($bound)*> Convert<T> for $from {
            fn convert(&self) -> Option<T> {
                let $it = self;
                $value
            }
        }
    )*};
}

holder! {
    [?Sized] &V, it: (**it).convert();
    [?Sized] Box<V>, it: (**it).convert();
    [?Sized] Rc<V>, it: (**it).convert();
    [?Sized] Arc<V>, it: (**it).convert();
    [ToOwned + ?Sized] Cow<'_, V>, it: (**it).convert();
    [Sized] Option<V>, it: it.as_ref().and_then(V::convert);
}

/// Lists of another type than the slice.
macro_rules! list {
    ($([$($parameter:tt)*] $from:ty;)*) => {$(
        impl<T, V, $($parameter)*> Convert<Vec<T>> for $from
        where
            [V]: Convert<Vec<T>>,
        {
            fn convert(&self) -> Option<Vec<T>> {
                self.as_slice().convert()
            }
        }
    )*};
}

list! {
    [const N: usize] [V; N];
    [] Vec<V>;
}
