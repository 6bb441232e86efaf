//! Where the state of a circle lives: ordered rows, pending writes over them, and the tree that commits to them.
//!
//! A block is executed in an [`Overlay`] over the committed view of the block before it.
//! Nothing here touches a disk: a store gives a [`KeyValue`] view.

mod kv;
mod overlay;

pub use kv::{KeyValue, Memory, Row, StoreFault, prefix_end};
pub use overlay::{Change, Overlay, Savepoint, WriteCount};
