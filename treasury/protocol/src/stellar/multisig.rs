//! Accounts whose owners each sign with a key of their own: at most 20, by the network's own rules.
//!
//! The alternative to a group key for a small circle. Every owner counts for one, the account's own key for nothing, and
//! every operation asks for `threshold` of them. Each signer raises the balance that the account has to keep by half an
//! XLM.

use super::{Batch, MAX_SIGNATURES, Operation, Signature, StellarError};

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
