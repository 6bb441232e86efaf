//! Passing an account from one key to another, in two transactions.
//!
//! The old key signs the first, which gives the new key its weight. The new key signs the second, which takes the old one's
//! away: so that nothing is given up before the new key has shown that it signs.

use super::Operation;

/// Enough for every threshold that an account can have.
const FULL_WEIGHT: u8 = u8::MAX;

/// What the old key signs: the new key may act for the account, beside the old one.
pub fn introduce(new_key: [u8; 32]) -> Operation {
    Operation::SetSigner {
        key: new_key,
        weight: FULL_WEIGHT,
    }
}

/// What the new key signs: the old key of `account` counts for nothing any more.
///
/// The key that the account was made with cannot be removed; it weighs nothing from then on, and all thresholds become 1,
/// which any signer meets. Every later key is removed.
pub fn retire(account: [u8; 32], old_key: [u8; 32]) -> Operation {
    if old_key == account {
        Operation::SetThresholds {
            master: 0,
            low: 1,
            medium: 1,
            high: 1,
        }
    } else {
        Operation::SetSigner {
            key: old_key,
            weight: 0,
        }
    }
}
