//! Accounts whose owners each sign with a key of their own: at most 20, by the network's own rules.
//!
//! The alternative to a group key for a small circle. Every owner counts for one, the account's own key for nothing, and
//! every operation asks for `threshold` of them. Each signer raises the balance that the account has to keep by half an
//! XLM.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{Batch, MAX_SIGNATURES, Operation, Signature, StellarError};

/// The most owners that an account can have.
pub const MAX_OWNERS: usize = MAX_SIGNATURES;

/// Owners of an account and how many of them have to sign.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Owners {
    keys: Vec<[u8; 32]>,
    threshold: u8,
}

impl Owners {
    /// Checks and keeps owners, in any order. Errors: as for [`setup`].
    pub fn new(keys: Vec<[u8; 32]>, threshold: u8) -> Result<Self, StellarError> {
        setup(&keys, threshold)?;
        Ok(Self { keys, threshold })
    }

    /// The owners, in the order in which they were given.
    pub fn keys(&self) -> &[[u8; 32]] {
        &self.keys
    }

    /// How many of them have to sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// Whether this is an owner.
    pub fn contains(&self, key: &[u8; 32]) -> bool {
        self.keys.contains(key)
    }

    /// Whether the same ones own the same way, in whatever order.
    pub fn is_same(&self, other: &Self) -> bool {
        self.threshold == other.threshold
            && self.keys.len() == other.keys.len()
            && self.keys.iter().all(|key| other.contains(key))
    }

    /// What gives an account to these owners; the account's own key signs it, and counts for nothing afterwards.
    pub fn setup(&self) -> Result<Vec<Operation>, StellarError> {
        setup(&self.keys, self.threshold)
    }

    /// What passes an account from these owners to others; these sign it.
    pub fn become_these(&self, after: &Self) -> Result<Vec<Operation>, StellarError> {
        change(&self.keys, &after.keys, after.threshold)
    }
}

/// What gives an account to `owners`, of whom any `threshold` may act for it. The account's own key signs this once, and
/// counts for nothing afterwards.
///
/// Errors: [`StellarError::Owners`] unless there are 1 to 20 different owners and the threshold is 1 to their number.
pub fn setup(owners: &[[u8; 32]], threshold: u8) -> Result<Vec<Operation>, StellarError> {
    change(&[], owners, threshold)
}

/// What passes an account from the owners `before` to those `after`: who leaves loses its weight, who comes gets it, and
/// the threshold is set anew. As many of those before as the threshold asks for sign it.
///
/// Errors: as for [`setup`], about those after.
pub fn change(
    before: &[[u8; 32]],
    after: &[[u8; 32]],
    threshold: u8,
) -> Result<Vec<Operation>, StellarError> {
    let mut sorted = after.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let fits = sorted.len() == after.len()
        && after.len() <= MAX_SIGNATURES
        && (1..=after.len()).contains(&usize::from(threshold));
    if !fits {
        return Err(StellarError::Owners {
            count: sorted.len(),
            threshold,
        });
    }
    // Who leaves goes first, because an account never has more than 20 signers.
    let leaving = before.iter().filter(|key| !after.contains(key));
    let coming = after.iter().filter(|key| !before.contains(key));
    let weigh = |weight| move |key: &[u8; 32]| Operation::SetSigner { key: *key, weight };
    let mut operations: Vec<_> = leaving.map(weigh(0)).collect();
    operations.extend(coming.map(weigh(1)));
    operations.push(Operation::SetThresholds {
        master: 0,
        low: threshold,
        medium: threshold,
        high: threshold,
    });
    Ok(operations)
}

/// The envelope of a batch of such an account once `threshold` of its owners have signed, in base64 XDR; `None` before.
///
/// It takes exactly that many signatures, those of the lowest keys, because the network refuses an envelope with more
/// (`tx_bad_auth_extra`). Errors: as for [`Batch::envelope`]; judge each signature with [`Signature::verify`] when it
/// comes, and keep those of owners only.
pub fn envelope(
    batch: &Batch,
    network_passphrase: &str,
    threshold: u8,
    signatures: &[Signature],
) -> Result<Option<String>, StellarError> {
    let mut signatures = signatures.to_vec();
    signatures.sort_unstable();
    signatures.dedup_by_key(|signature| signature.key);
    match signatures.get(..usize::from(threshold)) {
        None => Ok(None),
        Some(enough) => batch.envelope(network_passphrase, enough).map(Some),
    }
}
