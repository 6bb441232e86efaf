//! Trials: a timeline in which another policy runs from some height on, to ask of a recorded history what would have become of it.
//!
//! No node takes part in a circle so: what it concludes from that height on is its own.

use std::sync::Arc;

use threescript::policy::Policy;

use crate::checkpoint;
use crate::policies;
use crate::state::{CommitBatch, Overlay, StoreFault};

/// A policy that is tried out in the place of the active one of its name.
#[derive(Clone)]
pub struct Trial {
    policy: Arc<Policy>,
    from: u64,
}

impl Trial {
    /// Lets `policy` run from the block at height `from` on.
    pub fn new(policy: Arc<Policy>, from: u64) -> Self {
        Self { policy, from }
    }

    /// The name of the policy.
    pub(crate) fn policy(&self) -> &str {
        self.policy.name()
    }

    /// Puts the policy in its place at the beginning of a block, and keeps it there: what the recorded circle decided about
    /// policies of this name does not happen. Says whether it was not there before.
    pub(crate) fn hold(&self, rows: &mut Overlay, height: u64) -> Result<bool, StoreFault> {
        if height < self.from {
            return Ok(false);
        }
        policies::withdraw(rows, self.policy.name())?;
        if policies::is_active(rows, &self.policy)? {
            return Ok(false);
        }
        policies::keep(rows, &self.policy);
        policies::activate_now(rows, &self.policy, height);
        Ok(true)
    }
}

/// Lets a trial conclude what the recorded circle concluded, in the batch of the same block: what guardians attested is about
/// that, and would agree with nothing else. So the trial certifies and releases when the circle did.
pub fn conclude_as_recorded(tried: &mut CommitBatch, recorded: &CommitBatch) {
    tried
        .local
        .retain(|(key, _)| !checkpoint::is_conclusion(key));
    let conclusions = recorded.local.iter();
    let conclusions = conclusions.filter(|(key, _)| checkpoint::is_conclusion(key));
    tried.local.extend(conclusions.cloned());
    tried.head.checkpoint = recorded.head.checkpoint;
}
