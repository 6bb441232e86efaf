//! What an engine hands to the application: one block of opaque transactions, and the hashes that bind it.

use borsh::{BorshDeserialize, BorshSerialize};
use sha2::{Digest, Sha256};

/// Domain tag of [`Block::hash`].
pub const BLOCK_TAG: &str = "guardian-circle/v1/block";
/// Domain tag of the hash of the log.
pub const LOG_TAG: &str = "guardian-circle/v1/log";
/// Domain tag of [`genesis_log_hash`].
pub const GENESIS_TAG: &str = "guardian-circle/v1/log-genesis";
/// Domain tag of [`transaction_hash`].
pub const TRANSACTION_TAG: &str = "guardian-circle/v1/transaction";

/// The hash by which the mempool knows a transaction.
pub type TransactionHash = [u8; 32];

/// One decided block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Height, from 1.
    pub height: u64,
    /// Unix milliseconds, strictly increasing from block to block.
    pub time_ms: u64,
    /// Key of the member that built the block.
    pub proposer: [u8; 32],
    /// Hash of all the fields of this block; what the members voted for.
    pub hash: [u8; 32],
    /// Hash of the log before this block: of all transactions in all blocks below.
    pub previous: [u8; 32],
    /// The transactions in their order, opaque to the engine.
    pub transactions: Vec<Vec<u8>>,
}

impl Block {
    /// Hash of the log after this block.
    pub fn log_hash(&self) -> [u8; 32] {
        digest(LOG_TAG, &(&self.previous, &self.transactions))
    }
}

/// The fields of a block that are proposed, voted for and stored. Its canonical form is borsh.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct BlockBody {
    pub height: u64,
    pub time_ms: u64,
    pub proposer: [u8; 32],
    pub previous: [u8; 32],
    pub transactions: Vec<Vec<u8>>,
}

impl BlockBody {
    pub fn hash(&self) -> [u8; 32] {
        digest(BLOCK_TAG, self)
    }

    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    pub fn into_block(self) -> Block {
        Block {
            hash: self.hash(),
            height: self.height,
            time_ms: self.time_ms,
            proposer: self.proposer,
            previous: self.previous,
            transactions: self.transactions,
        }
    }

    pub fn log_hash(&self) -> [u8; 32] {
        digest(LOG_TAG, &(&self.previous, &self.transactions))
    }
}

/// Hash of the log before the first block, bound to the network id.
pub fn genesis_log_hash(network: &[u8; 32], genesis_time_ms: u64) -> [u8; 32] {
    digest(GENESIS_TAG, &(network, genesis_time_ms))
}

/// The hash of one transaction's bytes.
pub fn transaction_hash(transaction: &[u8]) -> TransactionHash {
    digest(TRANSACTION_TAG, transaction)
}

/// SHA-256 over `tag || 0x00 || borsh(value)`.
pub(crate) fn digest<T: BorshSerialize + ?Sized>(tag: &str, value: &T) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    value
        .serialize(&mut HashWriter(&mut hasher))
        .expect("hashing writes to memory");
    hasher.finalize().into()
}

/// borsh into a fresh vector.
pub(crate) fn encode<T: BorshSerialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.serialize(&mut bytes).expect("borsh writes to memory");
    bytes
}

struct HashWriter<'a>(&'a mut Sha256);

impl std::io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
