//! The steps between a program and a daemon, one file each; `start` puts them in order. None knows [`crate::Daemon`].

pub(crate) mod credentials;
pub(crate) mod descriptors;
pub(crate) mod directory;
pub(crate) mod environment;
pub(crate) mod limits;
pub(crate) mod path;
pub(crate) mod pid_file;
pub(crate) mod reopen;
pub(crate) mod signals;
pub(crate) mod streams;
pub(crate) mod threads;
