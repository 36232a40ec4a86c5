//! What an option's value may be: the option's own type, whatever converts to it without loss, or an `Option` of these.

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

/// A value that an option of type `T` takes: the type itself, whatever converts to it without loss, a reference to that, or
/// an `Option` of it. `None` leaves the default.
///
/// It is borrowed, so `pid_file(&args.pid_file)` leaves `args` usable. The trait is sealed; these are the values:
///
/// | option | takes |
/// | --- | --- |
/// | a path | a string, a `Path`, a `PathBuf`, an `OsStr`, an `OsString`, or one of these in a `Box`, `Arc`, `Rc` or `Cow` |
/// | a stream | a [`Stream`], or a path |
/// | a user or group | an [`Id`], a string, or a `u32` |
/// | a time | a `Duration`, or whole seconds as `u64` |
/// | a switch, a mask | a `bool`, a `u32` |
/// | a list | an array, a slice or a `Vec` |
///
/// # Examples
///
/// ```
/// use std::path::PathBuf;
/// use daemon_runtime::Daemon;
///
/// let from_arguments: Option<PathBuf> = None;
/// let daemon = Daemon::new().pid_file("/run/app.pid").pid_file(&from_arguments).start_timeout(30);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a value for this option",
    label = "expected a value that converts to `{T}`, or an `Option` of one",
    note = "a path is a string, a `Path`, a `PathBuf`, or an `Option` of one; a stream also `Stream::Inherit` or `Stream::Null`",
    note = "a user or group is a name, a `u32`, or an `Id`; a time is whole seconds or a `Duration`; a flag is a `bool`"
)]
pub trait OptionValue<T>: Convert<T> {}

macro_rules! value {
    ($($from:ty => $to:ty, $it:ident: $convert:expr;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl OptionValue<$to> for $from {}
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
    u32 => u32, it: *it;
    u32 => Id, it: Id::Number(*it);
    Id => Id, it: it.clone();
    str => Id, it: it.into();
    String => Id, it: it.as_str().into();
    u64 => Duration, it: Duration::from_secs(*it);
    Duration => Duration, it: *it;
    Stream => Stream, it: it.clone();
}

/// Paths are streams too.
macro_rules! path {
    ($($from:ty),*) => {$(
        #[diagnostic::do_not_recommend]
        impl OptionValue<PathBuf> for $from {}
        impl Convert<PathBuf> for $from {
            fn convert(&self) -> Option<PathBuf> {
                Some(AsRef::<Path>::as_ref(self).to_owned())
            }
        }
        #[diagnostic::do_not_recommend]
        impl OptionValue<Stream> for $from {}
        impl Convert<Stream> for $from {
            fn convert(&self) -> Option<Stream> {
                Some(Stream::File(AsRef::<Path>::as_ref(self).to_owned()))
            }
        }
    )*};
}

path!(str, String, OsStr, OsString, Path, PathBuf);

/// What holds a value, or none.
macro_rules! holder {
    ($([$($bound:tt)*] $from:ty, $it:ident: $value:expr;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<T, V: OptionValue<T> + $($bound)*> OptionValue<T> for $from {}
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

#[diagnostic::do_not_recommend]
impl OptionValue<Vec<i32>> for [i32] {}
impl Convert<Vec<i32>> for [i32] {
    fn convert(&self) -> Option<Vec<i32>> {
        Some(self.to_vec())
    }
}

#[diagnostic::do_not_recommend]
impl<S: AsRef<OsStr>> OptionValue<Vec<OsString>> for [S] {}
impl<S: AsRef<OsStr>> Convert<Vec<OsString>> for [S] {
    fn convert(&self) -> Option<Vec<OsString>> {
        Some(self.iter().map(|name| name.as_ref().to_owned()).collect())
    }
}

/// Lists of another type than the slice.
macro_rules! list {
    ($([$($parameter:tt)*] $from:ty;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<T, V, $($parameter)*> OptionValue<Vec<T>> for $from where [V]: OptionValue<Vec<T>> {}
        impl<T, V, $($parameter)*> Convert<Vec<T>> for $from where [V]: Convert<Vec<T>> {
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
