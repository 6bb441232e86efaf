//! Ceremonies: how members who trust no dealer come to one key, and how enough of them sign with it.
//!
//! Every message of a ceremony is an ordered command, so all members see the same messages in the same order, and a
//! verdict about one of them is the same everywhere. [`keygen`] makes a key, [`sign`] uses it; both are state machines
//! over public messages, with the participant's side next to them. Members of a ceremony are numbered densely from 1,
//! in the order in which the ceremony names them.

mod group;
mod key;
pub mod keygen;
pub mod sign;
#[cfg(test)]
mod testing;

pub use key::{GroupKey, KeyShare, KeyShareError};

use borsh::{BorshDeserialize, BorshSerialize};

/// Names one ceremony among all that a circle ever holds; part of everything that is proven or encrypted in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct CeremonyId(pub [u8; 32]);

/// Fewest members of a circle, and of a ceremony.
pub const MIN_MEMBERS: usize = 9;
/// Most members of a circle, and of a ceremony.
pub const MAX_MEMBERS: usize = 99;

/// The fewest signers that a key of `members` may ask for: more than two thirds, as for every decision of a circle.
pub fn lowest_threshold(members: u16) -> u16 {
    // At most 99 members reach a ceremony; the wider type keeps the sum exact for any u16.
    (u32::from(members) * 2 / 3 + 1)
        .try_into()
        .unwrap_or(u16::MAX)
}
