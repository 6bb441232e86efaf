//! One ordered log of opaque transactions: the link layer and the engines that agree on the order.
//!
//! Start with [`log`]: the trait that a node is written against. [`embedded`] is the engine that runs inside the node's
//! process; it talks to the other members over [`link`]s. Nothing in this crate knows what a transaction means.

pub mod block;
pub mod embedded;
mod gossip;
pub mod link;
pub mod log;
mod mempool;
