//! The circle node.
