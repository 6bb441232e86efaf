//! Proofs that a state holds a value under a key, or holds none.

use borsh::{BorshDeserialize, BorshSerialize};
use jmt::proof::{INTERNAL_DOMAIN_SEPARATOR, LEAF_DOMAIN_SEPARATOR};
use sha2::{Digest, Sha256};

use super::tree::{EMPTY_ROOT, hash_key, hash_value};

const DEPTH_BITS: usize = 256;

/// The way from the place of a key up to the root of the state.
///
/// It is checked with a root and nothing else: about 32 bytes for each doubling of the number of rows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Proof {
    pub(super) leaf: Option<ProofLeaf>,
    // The hashes beside the way, from the leaf upwards.
    pub(super) siblings: Vec<[u8; 32]>,
}

/// The leaf where the way ends, as hashes of its key and its value. Another key's leaf there shows that the key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct ProofLeaf {
    pub(super) key: [u8; 32],
    pub(super) value: [u8; 32],
}

/// Why a proof does not show what it is asked to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The proof is of presence, and absence is to be shown.
    #[error("the proof shows that the key is present; ask for the value that it proves")]
    Present,
    /// The proof is of absence, and a value is to be shown.
    #[error("the proof shows no value under the key; ask for a proof of this key")]
    Absent,
    /// The proof is of another value.
    #[error("the proof shows another value under the key; the value or the proof was altered")]
    OtherValue,
    /// The proof ends at a leaf that cannot be on the way of the key, or is longer than a key.
    #[error("the proof does not follow the way of the key; ask for a proof of this key")]
    OffTheWay,
    /// The proof leads to another root.
    #[error(
        "the proof does not lead to the root; use the root of the checkpoint that it was made for"
    )]
    OtherRoot,
}

impl Proof {
    /// Checks that the state with `root` holds `value` under `key`, or for `None` that it holds nothing there.
    pub fn verify(
        &self,
        root: &[u8; 32],
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<(), ProofError> {
        let key = hash_key(key);
        if self.siblings.len() > DEPTH_BITS {
            return Err(ProofError::OffTheWay);
        }
        match (&self.leaf, value) {
            (Some(leaf), Some(value)) if leaf.key == key => {
                if leaf.value != hash_value(value) {
                    return Err(ProofError::OtherValue);
                }
            }
            (_, Some(_)) => return Err(ProofError::Absent),
            (Some(leaf), None) if leaf.key == key => return Err(ProofError::Present),
            (Some(leaf), None) if common_bits(&leaf.key, &key) < self.siblings.len() => {
                return Err(ProofError::OffTheWay);
            }
            (_, None) => {}
        }
        let start = self
            .leaf
            .map_or(EMPTY_ROOT, |leaf| leaf_hash(&leaf.key, &leaf.value));
        let depths = (0..self.siblings.len()).rev();
        let top = self
            .siblings
            .iter()
            .zip(depths)
            .fold(start, |hash, (sibling, depth)| match bit(&key, depth) {
                false => node_hash(&hash, sibling),
                true => node_hash(sibling, &hash),
            });
        if top == *root {
            Ok(())
        } else {
            Err(ProofError::OtherRoot)
        }
    }
}

/// Bit `depth` of a hashed key, from the most significant on.
pub(super) fn bit(key: &[u8; 32], depth: usize) -> bool {
    key[depth / 8] >> (7 - depth % 8) & 1 == 1
}

fn common_bits(left: &[u8; 32], right: &[u8; 32]) -> usize {
    (0..DEPTH_BITS)
        .take_while(|depth| bit(left, *depth) == bit(right, *depth))
        .count()
}

pub(super) fn leaf_hash(key: &[u8; 32], value: &[u8; 32]) -> [u8; 32] {
    Sha256::new()
        .chain_update(LEAF_DOMAIN_SEPARATOR)
        .chain_update(key)
        .chain_update(value)
        .finalize()
        .into()
}

pub(super) fn node_hash(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new()
        .chain_update(INTERNAL_DOMAIN_SEPARATOR)
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}
