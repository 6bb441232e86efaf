//! A backup of one guardian's secrets: one encrypted file, from which a home can be made again on another machine.
//!
//! In it are the guardian's key and the key shares of all finished ceremonies, the genesis and the configuration of the node,
//! and what was known in public about the keys when it was made, so that a drill can say what is missing. Two things are not:
//!
//! - The seed of a ceremony that is going on. A node forgets it on purpose when the ceremony ends, for it opens what others
//!   sent; a backup would remember it for ever. A ceremony whose seed is lost is begun anew, which costs nothing but time.
//! - Signing nonces. They never leave the memory of the process that drew them.
//!
//! So a restored node can answer no signing session that the lost one had committed to: it has no nonces for it, commits to
//! fresh ones, and the protocol closes the old session. The marks of sessions that were answered come along all the same.

mod check;
mod document;
mod restore;
#[cfg(test)]
mod tests;

pub use check::{Coverage, Public, Row, Standing, check};
pub use document::{Backup, BackupError, FORMAT, KnownKey, Secret, VERSION, collect};
pub use restore::{Restored, refuse_strangers, restore};
