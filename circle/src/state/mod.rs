//! Where the state of a circle lives: ordered rows, pending writes over them, and the tree that commits to them.
//!
//! A block is executed in an [`Overlay`] over the committed [`RegionView`] of the state. Its changes go into the [`Tree`],
//! which gives the new root and the new nodes. Both are committed in one [`CommitBatch`] with the new [`Head`], and anybody
//! can later ask for a [`Proof`]. Nothing here touches a disk: a store offers its rows as a [`KeyValue`].

mod batch;
mod kv;
mod overlay;
mod proof;
mod region;
mod tree;

pub use batch::{CommitBatch, Head};
pub use kv::{KeyValue, Memory, Row, StoreFault, prefix_end};
pub use overlay::{Change, Overlay, Savepoint, Write, WriteCount};
pub use proof::{Proof, ProofError};
pub use region::{Region, RegionView};
pub use tree::{EMPTY_ROOT, Tree, TreeUpdate};
