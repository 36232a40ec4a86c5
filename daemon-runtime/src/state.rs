//! How far a daemon is. Unix and Windows have it in common.

/// How far a daemon is, as [`Instance::state`](crate::Instance::state) sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// No daemon runs: there is no pid file, or no process holds its lock.
    Stopped,
    /// A start is under way. As soon as its pid is in the file, it can be stopped.
    Starting,
    /// The daemon runs, and its [`Ready::notify`](crate::Ready::notify) was called.
    Ready,
}
