//! Threads that main waits for.
//!
//! Python distinguishes *daemon threads*, which do not keep the process alive, from ordinary ones, which do. In Rust every
//! thread of [`std::thread::spawn`] is of the first kind: when main returns the process ends, whatever they are doing.
//! [`spawn`] here starts threads of the second kind: a `#[daemon]` main waits for them before it returns.
//!
//! ```no_run
//! use daemon_runtime::{daemon, thread};
//!
//! #[daemon]
//! fn main() {
//!     // Ends with main, in the middle of its work.
//!     std::thread::spawn(|| loop { /* refresh a cache */ });
//!     // main's end waits for this one.
//!     thread::spawn(|| { /* write what must be written */ });
//! }
//! ```
//!
//! | main | what happens |
//! | --- | --- |
//! | returns | it waits; then the process exits with what main returned |
//! | panics | it waits; then the process exits with 101 |
//! | returns or panics before [`Ready::notify`](crate::Ready::notify) | the start has failed: it does not wait |
//! | calls [`std::process::exit`], as any thread may | the process exits at once |
//!
//! If a thread panics and is not [joined](JoinHandle::join), the process exits with 101, as if main had panicked: so a lost
//! worker is not taken for success. [`limit_wait`] limits the wait. A main that calls
//! [`Daemon::start`](crate::Daemon::start) by hand calls [`join_all`] at its end.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::report::seconds;

/// What is known of the threads.
struct State {
    running: Vec<thread::Thread>,
    /// They have panicked, and nobody has been told by `join`.
    panicked: Vec<ThreadId>,
    limit: Option<Duration>,
}

static STATE: Mutex<State> = Mutex::new(State { running: Vec::new(), panicked: Vec::new(), limit: None });
static ENDED: Condvar = Condvar::new();

/// Whether the start has succeeded. Before that nobody waits for threads.
static READY: AtomicBool = AtomicBool::new(false);

fn state() -> MutexGuard<'static, State> {
    // Nothing panics while it is locked.
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a thread that a `#[daemon]` main waits for before it returns.
///
/// # Panics
///
/// If the system cannot start a thread; [`Builder::spawn`] returns an error instead.
///
/// ```
/// let answer = daemon_runtime::thread::spawn(|| 6 * 7).join();
/// assert_eq!(answer.ok(), Some(42));
/// ```
pub fn spawn<F, T>(work: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(work).expect("the system cannot start a thread")
}

/// Configures a thread that a `#[daemon]` main waits for, as [`std::thread::Builder`] does.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let worker = daemon_runtime::thread::Builder::new().name("worker").spawn(|| ())?;
/// assert_eq!(worker.thread().name(), Some("worker"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "nothing happens before `spawn`"]
pub struct Builder(thread::Builder);

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// Configures a thread without a name.
    ///
    /// ```
    /// let worker = daemon_runtime::thread::Builder::new();
    /// ```
    pub fn new() -> Self {
        Builder(thread::Builder::new())
    }

    /// Names the thread, for panics and for `ps -L`.
    ///
    /// ```
    /// let worker = daemon_runtime::thread::Builder::new().name("worker");
    /// ```
    pub fn name(self, name: impl Into<String>) -> Self {
        Builder(self.0.name(name.into()))
    }

    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The system cannot start it: pthread_create(3).
    ///
    /// ```
    /// let worker = daemon_runtime::thread::Builder::new().spawn(|| 6 * 7);
    /// assert_eq!(worker.unwrap().join().unwrap(), 42);
    /// ```
    pub fn spawn<F, T>(self, work: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        // Held until the new thread is in the list, so that it cannot end before.
        let mut state = state();
        let handle = self.0.spawn(move || {
            END.with(|_| ());
            let _panic = NotePanic;
            work()
        })?;
        state.running.push(handle.thread().clone());
        Ok(JoinHandle(handle))
    }
}

/// Notes a panic of its thread.
struct NotePanic;

impl Drop for NotePanic {
    fn drop(&mut self) {
        if thread::panicking() {
            state().panicked.push(thread::current().id());
        }
    }
}

/// Notes the end of its thread.
struct End(ThreadId);

thread_local! {
    /// The thread's first, and so the last to be dropped: a value that nobody joins, and what other thread-locals still
    /// have to write, is not cut off.
    static END: End = End(thread::current().id());
}

impl Drop for End {
    fn drop(&mut self) {
        state().running.retain(|thread| thread.id() != self.0);
        ENDED.notify_all();
    }
}

/// Waits for one thread, by [`join`](JoinHandle::join). If it is dropped, main waits for the thread all the same.
///
/// ```
/// let worker: daemon_runtime::thread::JoinHandle<u8> = daemon_runtime::thread::spawn(|| 3);
/// assert_eq!(worker.join().unwrap(), 3);
/// ```
pub struct JoinHandle<T>(thread::JoinHandle<T>);

impl<T> JoinHandle<T> {
    /// Waits for the thread's end.
    ///
    /// # Errors
    ///
    /// The thread has panicked; the error is the value of the panic, which then does not change the exit code.
    ///
    /// ```
    /// let worker = daemon_runtime::thread::spawn(|| panic!("it is told here"));
    /// assert!(worker.join().is_err());
    /// ```
    pub fn join(self) -> thread::Result<T> {
        let id = self.0.thread().id();
        let result = self.0.join();
        state().panicked.retain(|panicked| *panicked != id);
        result
    }

    /// Returns the thread.
    ///
    /// ```
    /// let worker = daemon_runtime::thread::spawn(std::thread::park);
    /// worker.thread().unpark();
    /// ```
    pub fn thread(&self) -> &thread::Thread {
        self.0.thread()
    }

    /// Returns whether the thread has ended.
    ///
    /// ```
    /// let worker = daemon_runtime::thread::spawn(std::thread::park);
    /// assert!(!worker.is_finished());
    /// worker.thread().unpark();
    /// ```
    pub fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Limits the wait at main's end. Threads that still run then are named on stderr, and end with the process.
/// Default: no limit.
///
/// ```
/// daemon_runtime::thread::limit_wait(std::time::Duration::from_secs(10));
/// ```
pub fn limit_wait(limit: Duration) {
    state().limit = Some(limit);
}

/// Why [`join_all`] has not seen all threads end well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinAllError {
    /// So many threads have panicked, and no [`join`](JoinHandle::join) has told it.
    Panicked(usize),
    /// These threads still run after the time of [`limit_wait`].
    TimedOut(Duration, Vec<String>),
}

impl fmt::Display for JoinAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinAllError::Panicked(1) => write!(f, "a thread has panicked"),
            JoinAllError::Panicked(count) => write!(f, "{count} threads have panicked"),
            JoinAllError::TimedOut(limit, names) => {
                write!(f, "after {} these threads still run: {}", seconds(*limit), names.join(", "))
            }
        }
    }
}

impl std::error::Error for JoinAllError {}

/// Waits for all threads of [`spawn`], as main's end does.
///
/// Call it in main: one of these threads would wait for itself.
///
/// # Errors
///
/// Threads still run when the time of [`limit_wait`] is over; or threads have panicked that nobody has joined.
///
/// ```
/// daemon_runtime::thread::spawn(|| ());
/// assert_eq!(daemon_runtime::thread::join_all(), Ok(()));
/// ```
pub fn join_all() -> Result<(), JoinAllError> {
    let started = Instant::now();
    let mut state = state();
    while !state.running.is_empty() {
        let left = state.limit.map(|limit| limit.saturating_sub(started.elapsed()));
        state = match left {
            None => ENDED.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(Duration::ZERO) => {
                let name = |thread: &thread::Thread| thread.name().unwrap_or("unnamed").to_owned();
                let names = state.running.iter().map(name).collect();
                return Err(JoinAllError::TimedOut(state.limit.unwrap_or_default(), names));
            }
            Some(left) => ENDED.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
        };
    }
    match state.panicked.len() {
        0 => Ok(()),
        count => Err(JoinAllError::Panicked(count)),
    }
}

pub(crate) fn daemon_is_ready() {
    READY.store(true, Ordering::Relaxed);
}

/// Main's end, for the attribute's expansion. The first variable of a `#[daemon]` main, and so the last to be dropped.
#[derive(Debug)]
#[cfg(feature = "macro")]
pub(crate) struct MainEnd;

#[cfg(feature = "macro")]
impl Drop for MainEnd {
    fn drop(&mut self) {
        if !READY.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error @ JoinAllError::TimedOut(..)) = join_all() {
            crate::report::report(&error);
        }
        if !state().panicked.is_empty() && !thread::panicking() {
            // The panic has been reported when it happened; this only makes it main's.
            std::panic::resume_unwind(Box::new("a thread has panicked"));
        }
    }
}
