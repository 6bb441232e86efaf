//! The blocks that an engine left in its data directory.

use std::path::Path;

use super::StartError;
use super::store::{OpenError, Store};
use crate::block::Block;
use crate::log::LogError;

/// The ordered log of a node that is not running, for reading. While it is held, no engine starts on the directory.
pub struct Recorded {
    store: Store,
    height: u64,
}

impl Recorded {
    /// Opens what the engine of `network` left in `data_dir`. Nothing is created.
    pub fn open(
        data_dir: &Path,
        network: [u8; 32],
        genesis_time_ms: u64,
    ) -> Result<Self, StartError> {
        if !data_dir.join("blocks").exists() {
            let reason = format!("{} holds no blocks", data_dir.display());
            return Err(LogError::Store { reason }.into());
        }
        let store = Store::open(data_dir, network, genesis_time_ms);
        let store = store.map_err(|error| match error {
            OpenError::InUse => StartError::InUse {
                path: data_dir.to_owned(),
            },
            OpenError::OtherNetwork(found) => StartError::OtherNetwork {
                data_dir: data_dir.to_owned(),
                found,
                expected: network,
            },
            OpenError::Fault(error) => error.into(),
        })?;
        let height = store.tip()?.height;
        Ok(Self { store, height })
    }

    /// The last decided height; 0 for none.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The decided block at `height`, or `None` if there is none.
    pub fn block(&self, height: u64) -> Result<Option<Block>, LogError> {
        self.store.block(height)
    }
}
