//! The steps between a program and a daemon, one file each; `start` puts them in order. None knows [`crate::Daemon`].

pub(crate) mod credentials;
pub(crate) mod descriptors;
pub(crate) mod directory;
pub(crate) mod environment;
pub(crate) mod file;
pub(crate) mod lock_holder;
pub(crate) mod log;
pub(crate) mod pid_file;
pub(crate) mod record_locks;
pub(crate) mod reopen;
pub(crate) mod restrictions;
pub(crate) mod signal_mask;
pub(crate) mod signals;
pub(crate) mod streams;
pub(crate) mod termination;
pub(crate) mod threads;
