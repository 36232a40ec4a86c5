//! What the program was started with, noted once: at the first call into this crate, which a program makes before it opens
//! files or sets signals of its own.

use std::sync::OnceLock;

use crate::step::descriptors::{self, Open};
use crate::step::signals::InheritedSignals;

pub(crate) struct InheritedState {
    pub(crate) descriptors: nix::Result<Vec<Open>>,
    pub(crate) signals: nix::Result<InheritedSignals>,
}

/// Returns what the program was started with, and notes it if this is the first call.
pub(crate) fn inherited() -> &'static InheritedState {
    static INHERITED: OnceLock<InheritedState> = OnceLock::new();
    INHERITED.get_or_init(|| InheritedState { descriptors: descriptors::list(), signals: InheritedSignals::note() })
}
