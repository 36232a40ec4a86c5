//! What an option's value may be: the option's own type, whatever converts to it without loss, or an `Option` of these.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
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

/// A value that an option of type `T` takes. `None` is "not given".
///
/// Only borrowed, so that `pid_file(&args.pid_file)` leaves `args` whole. The implementations are the whole list.
///
/// ```
/// use std::path::PathBuf;
/// use daemon_runtime::Daemon;
///
/// let from_arguments: Option<PathBuf> = None;
/// let daemon = Daemon::new().pid_file("/run/app.pid").pid_file(&from_arguments).start_timeout(30);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value for an option of type `{T}`",
    label = "a `{T}` is wanted here, or something that converts to it, or an `Option` of that"
)]
pub trait OptionValue<T> {
    /// The value, or `None` if it is not given.
    ///
    /// ```
    /// use std::path::PathBuf;
    /// use daemon_runtime::OptionValue;
    ///
    /// let path: Option<PathBuf> = Some("/run/app.pid").value();
    /// assert_eq!(path, Some(PathBuf::from("/run/app.pid")));
    /// ```
    fn value(&self) -> Option<T>;
}

impl<T, V: OptionValue<T> + ?Sized> OptionValue<T> for &V {
    fn value(&self) -> Option<T> {
        (**self).value()
    }
}

impl<T, V: OptionValue<T>> OptionValue<T> for Option<V> {
    fn value(&self) -> Option<T> {
        self.as_ref().and_then(V::value)
    }
}

macro_rules! value {
    ($($from:ty => $to:ty, $it:ident: $convert:expr;)*) => {$(
        impl OptionValue<$to> for $from {
            fn value(&self) -> Option<$to> {
                let $it = self;
                Some($convert)
            }
        }
    )*};
}

value! {
    bool => bool, it: *it;
    u32 => u32, it: *it;
    str => PathBuf, it: it.into();
    String => PathBuf, it: it.into();
    OsStr => PathBuf, it: it.into();
    OsString => PathBuf, it: it.into();
    Path => PathBuf, it: it.into();
    PathBuf => PathBuf, it: it.clone();
    str => Id, it: Id::Name(it.into());
    String => Id, it: Id::Name(it.clone());
    u32 => Id, it: Id::Number(*it);
    Id => Id, it: it.clone();
    u64 => Duration, it: Duration::from_secs(*it);
    Duration => Duration, it: *it;
}

impl OptionValue<Vec<RawFd>> for [RawFd] {
    fn value(&self) -> Option<Vec<RawFd>> {
        Some(self.to_vec())
    }
}

impl<S: AsRef<OsStr>> OptionValue<Vec<OsString>> for [S] {
    fn value(&self) -> Option<Vec<OsString>> {
        Some(self.iter().map(|name| name.as_ref().to_owned()).collect())
    }
}

impl<T, V, const N: usize> OptionValue<Vec<T>> for [V; N]
where
    [V]: OptionValue<Vec<T>>,
{
    fn value(&self) -> Option<Vec<T>> {
        self.as_slice().value()
    }
}

impl<T, V> OptionValue<Vec<T>> for Vec<V>
where
    [V]: OptionValue<Vec<T>>,
{
    fn value(&self) -> Option<Vec<T>> {
        self.as_slice().value()
    }
}
