//! What the tests share: real processes, seen from outside.
//!
//! A test makes a [`Family`], launches programs in it, and looks at them through [`Proc`]. What a family started is known
//! by a variable in its environment, so that nothing can hide by leaving its parent, its session or its group, and all
//! of it is killed when the test ends, however it ends.
//!
//! What Linux alone has is behind `cfg(linux_alone)`, of which build.rs decides; all else is for every Unix. There a [`Proc`] is what
//! ps(1) shows, and the daemon itself tells the rest, by the word `state` of [`fixture`].
//!
//! | to … | there is |
//! | --- | --- |
//! | start a program and see how it ends | [`Family::launch`], [`Family::shell`], [`Launch`], [`End`] |
//! | … at a terminal | [`pty`] |
//! | … by way of an init, qemu-user, valgrind, tmux, on a bindfs or ext4 | [`starter`], [`Family::through`] |
//! | … with descriptors open, signals ignored, a system call missing or forbidden | [`hostile`], [`Launch::under`] |
//! | … as another user, with users and groups of its own | [`accounts`] |
//! | … as a unit of a real systemd | [`systemd`] |
//! | … and hold it at a fork | [`debugger`] |
//! | … with a fault at any of its system calls | [`tracer`] |
//! | say what the program does, and know where it is | [`fixture`], [`Family::at`], [`Family::daemon`] |
//! | look at a process | [`Proc`], [`Proc::status`], [`Proc::environ`], [`Proc::fdinfo`], [`Expected`] |
//! | say what an error says in any C library | [`strerror`] |
//! | wait | [`until`], [`within`] |

#[cfg(linux_alone)]
pub mod accounts;
#[cfg(linux_alone)]
pub mod debugger;
#[cfg(linux_alone)]
mod expected;
mod family;
pub mod fixture;
pub mod hostile;
mod launch;
mod listing;
#[cfg(linux_alone)]
mod proc;
#[cfg(not(linux_alone))]
mod ps;
pub mod pty;
pub mod raw;
#[cfg(linux_alone)]
pub mod starter;
mod state;
mod strerror;
#[cfg(linux_alone)]
pub mod systemd;
#[cfg(all(linux_alone, target_arch = "x86_64"))]
pub mod tracer;
mod until;

/// The programs that handle signals themselves, each with the moment at which it installs its handlers, `DAEMON_HOOK`.
#[macro_export]
macro_rules! graceful_programs {
    () => {
        [
            (env!("CARGO_BIN_EXE_graceful"), "setup"),
            (env!("CARGO_BIN_EXE_graceful"), "before"),
            (env!("CARGO_BIN_EXE_graceful"), "after"),
            (env!("CARGO_BIN_EXE_graceful_tokio"), "after"),
        ]
    };
}

/// The items of a program that Linux alone can have. Elsewhere it is there, as cargo wants it, and says so.
#[cfg(linux_alone)]
#[macro_export]
macro_rules! linux_alone {
    ($($item:item)*) => { $($item)* };
}

/// The items of a program that Linux alone can have. Here it is there, as cargo wants it, and says so.
#[cfg(not(linux_alone))]
#[macro_export]
macro_rules! linux_alone {
    ($($item:item)*) => {
        fn main() {
            panic!("what this program does, Linux alone can do")
        }
    };
}

#[cfg(linux_alone)]
pub use expected::Expected;
pub use family::{Family, TAG};
pub use launch::{End, Launch, Running, with};
pub use listing::listing;
#[cfg(linux_alone)]
pub use proc::{Proc, Signals, processes};
#[cfg(not(linux_alone))]
pub use ps::Proc;
pub use strerror::strerror;
pub use until::{DEADLINE, until, within};

/// The README's programs are compiled as documentation tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
