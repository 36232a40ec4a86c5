#![deny(warnings)]
#![warn(missing_docs)]
//! Attributes that stay where they are.

use daemon_runtime::daemon;

/// Docs above.
#[doc = "More"]
#[allow(unused_variables)]
#[daemon(foreground = true)]
#[expect(unused_mut)]
#[must_use = "or not"]
#[cfg(unix)]
#[cfg_attr(all(), allow(clippy::all), doc(hidden))]
#[inline(never)]
pub(crate) fn main() {
    #![allow(non_snake_case)]
    #![allow(unused_assignments)]
    let mut Unused = 3;
}
