//! The last committed block of a node, for everybody who reads.

use std::sync::{Arc, PoisonError, RwLock};

use crate::store::View;

/// The rows and the time of the last committed block. Looking at them never waits for a block that is being written.
pub struct Head(RwLock<(Arc<View>, u64)>);

impl Head {
    /// The head that a node starts with: the rows, and the block's time in milliseconds since 1970.
    pub fn new(view: Arc<View>, time_ms: u64) -> Self {
        Self(RwLock::new((view, time_ms)))
    }

    /// The rows as the last block left them.
    pub fn view(&self) -> Arc<View> {
        self.get().0
    }

    /// Block time of the last block.
    pub fn time_ms(&self) -> u64 {
        self.get().1
    }

    /// Both, of the same block.
    pub fn get(&self) -> (Arc<View>, u64) {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Takes a newly committed block.
    pub fn set(&self, view: Arc<View>, time_ms: u64) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = (view, time_ms);
    }
}
