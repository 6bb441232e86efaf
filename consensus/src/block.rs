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
#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn body() -> BlockBody {
        BlockBody {
            height: 7,
            time_ms: 1_700_000_000_123,
            proposer: [3; 32],
            previous: [4; 32],
            transactions: vec![b"one".to_vec(), b"".to_vec(), b"two".to_vec()],
        }
    }

    #[test]
    fn golden_bytes_of_a_stored_block() {
        expect!["07000000000000007b68e5cf8b0100000303030303030303030303030303030303030303030303030303030303030303040404040404040404040404040404040404040404040404040404040404040403000000030000006f6e65000000000300000074776f"].assert_eq(&hex::encode(body().encode()));
    }

    #[test]
    fn golden_hashes() {
        expect!["ee7379712e5410dac64340a4cb84996174a83c8165406ad323e3ce46eba6f36d"]
            .assert_eq(&hex::encode(body().hash()));
        expect!["d1995569baadd3f347225c007c9d76ac1722c741b37b21ee1158bb7bc9fae01b"]
            .assert_eq(&hex::encode(body().log_hash()));
        expect!["a46983d7352838a956f8b0562c9576a2cacf9fbf69a55ab18150c2d5fd635ecd"]
            .assert_eq(&hex::encode(genesis_log_hash(&[9; 32], 1)));
        expect!["7fa42777d9e962883e0042212a4270895a1e84dfbd624f973c0caadbc8300269"]
            .assert_eq(&hex::encode(transaction_hash(b"one")));
    }

    #[test]
    fn every_field_is_covered_by_the_hash() {
        let base = body();
        let changed = [
            BlockBody {
                height: 8,
                ..base.clone()
            },
            BlockBody {
                time_ms: 1,
                ..base.clone()
            },
            BlockBody {
                proposer: [5; 32],
                ..base.clone()
            },
            BlockBody {
                previous: [5; 32],
                ..base.clone()
            },
            BlockBody {
                transactions: vec![b"onetwo".to_vec()],
                ..base.clone()
            },
        ];
        for other in changed {
            assert_ne!(other.hash(), base.hash(), "{other:?}");
        }
    }

    #[test]
    fn a_block_keeps_the_hashes_of_its_body() {
        let block = body().into_block();
        assert_eq!(block.hash, body().hash());
        assert_eq!(block.log_hash(), body().log_hash());
    }
}
