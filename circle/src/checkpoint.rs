//! Checkpoints: what a node concluded from the log up to a height.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::digest::{Hash, digest};
use crate::ids::CircleId;
use crate::state::{KeyValue, Overlay, StoreFault};
use crate::table::Table;

/// The conclusion of one node at one height. Equal digests mean equal conclusions at this height and all below it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Checkpoint {
    /// The circle.
    pub circle: CircleId,
    /// The height.
    pub height: u64,
    /// The hash of the ordered block at this height.
    pub block: Hash,
    /// The digest of the checkpoint at the height below; zeros at height 1.
    pub previous: Hash,
    /// The root of the state after this block.
    pub state_root: Hash,
    /// Over the outcomes of everything that ran in this block, see [`outcome_root`].
    pub outcome_root: Hash,
}

impl Checkpoint {
    /// What a guardian signs when attesting.
    pub fn digest(&self) -> Hash {
        digest("guardian-circle/v1/checkpoint", self)
    }
}

/// The root over the outcome digests of one block, in the order in which things ran.
pub fn outcome_root(outcomes: &[Hash]) -> Hash {
    digest("guardian-circle/v1/outcomes", &outcomes.to_vec())
}

/// What this node keeps of each of its own checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Concluded {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// The outcome digests below its outcome root.
    pub outcomes: Vec<Hash>,
    /// Whether it has to be attested: false for blocks that hold nothing but attestations and testimonies, so that
    /// attesting an attestation never becomes necessary.
    pub substantial: bool,
}

// Beside the tree, not in it: a checkpoint contains the root of the tree.
const CONCLUDED: Table<Concluded> = Table::new(b"nc", "a checkpoint");
const NEWEST_SUBSTANTIAL: Table<u64> = Table::new(b"ns", "the newest checkpoint to attest");

/// This node's checkpoint at `height`.
pub fn at(rows: &(impl KeyValue + ?Sized), height: u64) -> Result<Option<Concluded>, StoreFault> {
    CONCLUDED.get(rows, height)
}

/// The newest height whose checkpoint has to be attested; 0 for none.
pub fn newest_substantial(rows: &(impl KeyValue + ?Sized)) -> Result<u64, StoreFault> {
    Ok(NEWEST_SUBSTANTIAL.get(rows, ())?.unwrap_or(0))
}

/// Whether a local row says what this node concluded.
pub(crate) fn is_conclusion(key: &[u8]) -> bool {
    key.starts_with(&CONCLUDED.key(())) || key.starts_with(&NEWEST_SUBSTANTIAL.key(()))
}

/// Keeps a checkpoint of this node.
pub(crate) fn keep(rows: &mut Overlay, concluded: &Concluded) {
    let height = concluded.checkpoint.height;
    CONCLUDED.put(rows, height, concluded);
    if concluded.substantial {
        NEWEST_SUBSTANTIAL.put(rows, (), &height);
    }
}
