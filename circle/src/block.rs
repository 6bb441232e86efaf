//! What a height gives to execution.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::Hash;

/// A decided block, as the ordered log hands it over.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Block {
    /// From 1, without gaps.
    pub height: u64,
    /// Milliseconds since 1970, strictly rising. The only clock that execution knows.
    pub time_ms: u64,
    /// What the engine agreed on; it covers the transactions and the block before.
    pub hash: Hash,
    /// Encoded envelopes, in order. Not all of them need be well-formed: what is not is recorded as such.
    pub transactions: Vec<Vec<u8>>,
}

impl Block {
    /// The block time in whole seconds since 1970.
    pub fn time_s(&self) -> i64 {
        i64::try_from(self.time_ms / 1000).unwrap_or(i64::MAX)
    }
}
