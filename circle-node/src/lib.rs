//! The circle node.

pub mod store;
