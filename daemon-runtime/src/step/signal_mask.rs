//! The guard of a signal mask.

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use crate::error::{Error, Result, Step};
use crate::sys::retry;

/// Signals that stay blocked for as long as this lives; with the mask that there was before.
pub(crate) struct BlockedSignals(SigSet);

impl BlockedSignals {
    /// Blocks them: sigprocmask(2).
    pub(crate) fn block(signals: &SigSet) -> Result<Self> {
        let mut before = SigSet::empty();
        retry(|| sigprocmask(SigmaskHow::SIG_BLOCK, Some(signals), Some(&mut before)))
            .map(|()| BlockedSignals(before))
            .map_err(|errno| Error::system(Step::Signals, "block signals", errno))
    }

    pub(crate) fn mask_before(&self) -> SigSet {
        self.0
    }

    /// Leaves them blocked.
    pub(crate) fn leave_blocked(self) {
        std::mem::forget(self);
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // The call has worked a moment ago, and there is nobody to tell.
        let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&self.0), None);
    }
}
