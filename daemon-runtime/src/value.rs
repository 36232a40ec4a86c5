//! What an option's value may be.
//!
//! Each kind of value has a trait, which the methods of [`Daemon`](crate::Daemon) ask for:
//!
//! | kind | takes |
//! | --- | --- |
//! | [a path](PathValue) | a string, a `Path`, a `PathBuf`, an `OsStr` or an `OsString` |
//! | [a stream](StreamValue) | a [`Stream`], or a path |
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
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stream {
    /// `/dev/null`, the default.
    Null,
    /// What it was when the program was started: a pipe, the journal's socket, a file of the shell's.
    Inherit,
    /// A file. A log file is appended to.
    File(PathBuf),
}

impl Stream {
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Stream::File(path) => Some(path),
            Stream::Null | Stream::Inherit => None,
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
    ($($(#[$attribute:meta])* $kind:ident($to:ty);)*) => {$(
        $(#[$attribute])*
        pub trait $kind: Convert<$to> {}
        #[diagnostic::do_not_recommend]
        impl<V: Convert<$to> + ?Sized> $kind for V {}
    )*};
}

kinds! {
    /// A path.
    #[diagnostic::on_unimplemented(
        message = "expected a path, found `{Self}`",
        label = "a path is a string, a `Path`, a `PathBuf`, or an `Option` of one"
    )]
    PathValue(PathBuf);
    /// What a standard stream becomes.
    #[diagnostic::on_unimplemented(
        message = "expected a path or a `Stream`, found `{Self}`",
        label = "a path is a string, a `Path`, a `PathBuf`, or an `Option` of one"
    )]
    StreamValue(Stream);
    /// A user or group.
    #[diagnostic::on_unimplemented(
        message = "expected a user or group, found `{Self}`",
        label = "a user or group is a name, a `u32`, an `Id`, or an `Option` of one"
    )]
    IdValue(Id);
    /// A file mode creation mask.
    #[diagnostic::on_unimplemented(
        message = "expected a mask, found `{Self}`",
        label = "a mask is a `u32`, or an `Option` of one"
    )]
    MaskValue(u32);
    /// On or off.
    #[diagnostic::on_unimplemented(
        message = "expected a flag, found `{Self}`",
        label = "a flag is a `bool`, or an `Option` of one"
    )]
    FlagValue(bool);
    /// A time.
    #[diagnostic::on_unimplemented(
        message = "expected a time, found `{Self}`",
        label = "a time is whole seconds as `u64`, a `Duration`, or an `Option` of one"
    )]
    TimeValue(Duration);
    /// A list of descriptors.
    #[diagnostic::on_unimplemented(
        message = "expected a list of descriptors, found `{Self}`",
        label = "a list is an array, a slice or a `Vec` of `i32`, or an `Option` of one"
    )]
    FdsValue(Vec<i32>);
    /// A list of names of environment variables.
    #[diagnostic::on_unimplemented(
        message = "expected a list of names, found `{Self}`",
        label = "a list is an array, a slice or a `Vec` of strings, or an `Option` of one"
    )]
    NamesValue(Vec<OsString>);
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
    [i32] => Vec<i32>, it: it.to_vec();
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
