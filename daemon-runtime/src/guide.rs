//! Guides, in the documentation only.

#[doc = include_str!("guide/systemd.md")]
pub mod systemd {}

#[doc = include_str!("guide/launchd.md")]
pub mod launchd {}

#[doc = include_str!("guide/daemonize.md")]
pub mod daemonize {}

#[doc = include_str!("guide/recipes.md")]
pub mod recipes {}

#[doc = include_str!("guide/errors.md")]
pub mod errors {}
