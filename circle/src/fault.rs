//! The switch that makes one node compute something else, so that divergence can be shown and tested.

use threescript::action::Action;

use crate::state::Overlay;

/// From which command on a node goes astray. For tests only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// `actor.action`: a transaction with this action leaves one more row on this node than on the others.
    pub on: String,
}

impl Fault {
    pub(crate) fn strikes(&self, actions: &[Action]) -> bool {
        actions
            .iter()
            .any(|action| format!("{}.{}", action.actor, action.name) == self.on)
    }

    pub(crate) fn corrupt(rows: &mut Overlay) {
        rows.put(
            b"kzfault".to_vec(),
            b"this node computed something else".to_vec(),
        );
    }
}
