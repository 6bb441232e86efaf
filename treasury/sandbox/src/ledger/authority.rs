//! Whether the signatures on a transaction suffice for what it does.

use ed25519_zebra::{Signature, VerificationKey};
use sha2::{Digest, Sha256};
use stellar_xdr as xdr;
use xdr::OperationBody;

use super::account::{Account, Id};

/// How much an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Less than a payment, such as bumping a sequence number.
    Low = 0,
    /// A payment.
    Medium = 1,
    /// What changes who may sign.
    High = 2,
}

/// The level of an operation.
pub fn level(body: &OperationBody) -> Level {
    match body {
        OperationBody::BumpSequence(_)
        | OperationBody::AllowTrust(_)
        | OperationBody::SetTrustLineFlags(_)
        | OperationBody::ClaimClaimableBalance(_) => Level::Low,
        OperationBody::AccountMerge(_) => Level::High,
        OperationBody::SetOptions(options) => {
            let changes_signing = options.master_weight.is_some()
                || options.low_threshold.is_some()
                || options.med_threshold.is_some()
                || options.high_threshold.is_some()
                || options.signer.is_some();
            if changes_signing {
                Level::High
            } else {
                Level::Medium
            }
        }
        _ => Level::Medium,
    }
}

/// The signatures of one envelope, and which of them were needed.
pub struct Signatures<'a> {
    hash: [u8; 32],
    signatures: &'a [xdr::DecoratedSignature],
    used: Vec<bool>,
}

impl<'a> Signatures<'a> {
    /// Signatures over the transaction with this hash.
    pub fn new(hash: [u8; 32], signatures: &'a [xdr::DecoratedSignature]) -> Self {
        Self {
            hash,
            signatures,
            used: vec![false; signatures.len()],
        }
    }

    /// Whether they speak for `account` at `level`. A missing account signs with its master key alone.
    pub fn authorize(&mut self, id: &Id, account: Option<&Account>, level: Level) -> bool {
        let needed = account.map_or(0, |account| u32::from(account.thresholds[level as usize]));
        let master = account.map_or(1, |account| account.master_weight);
        let mut total = 0;
        let mut weigh = |weight: u8| {
            total += u32::from(weight);
            total >= needed
        };
        // A transaction that was agreed on beforehand carries no signature for it.
        if let Some(account) = account {
            let agreed = xdr::SignerKey::PreAuthTx(xdr::Uint256(self.hash));
            if account
                .signers
                .get(&agreed)
                .is_some_and(|weight| weigh(*weight))
            {
                return true;
            }
        }
        let mut keys: Vec<(xdr::SignerKey, u8)> = Vec::new();
        if master > 0 {
            keys.push((xdr::SignerKey::Ed25519(xdr::Uint256(*id)), master));
        }
        if let Some(account) = account {
            keys.extend(
                account
                    .signers
                    .iter()
                    .map(|(key, weight)| (key.clone(), *weight)),
            );
        }
        let hash = self.hash;
        for (at, signature) in self.signatures.iter().enumerate() {
            let found = keys
                .iter()
                .position(|(key, _)| is_by(key, &hash, signature));
            if let Some(found) = found {
                // Each key counts once.
                let (_, weight) = keys.swap_remove(found);
                self.used[at] = true;
                // What stands behind the last signature that was needed is not looked at, and so is one too many.
                if weigh(weight) {
                    return true;
                }
            }
        }
        false
    }

    /// Whether some signature was needed by nobody.
    pub fn has_extra(&self) -> bool {
        self.used.iter().any(|used| !used)
    }
}

/// Whether a signature is one of `key`.
fn is_by(key: &xdr::SignerKey, hash: &[u8; 32], signature: &xdr::DecoratedSignature) -> bool {
    let hint = |bytes: &[u8; 32]| bytes[28..] == signature.hint.0;
    let bytes = signature.signature.as_slice();
    match key {
        xdr::SignerKey::Ed25519(xdr::Uint256(key)) => {
            hint(key)
                && VerificationKey::try_from(*key).is_ok_and(|key| {
                    Signature::try_from(bytes)
                        .is_ok_and(|signature| key.verify(&signature, hash).is_ok())
                })
        }
        xdr::SignerKey::HashX(xdr::Uint256(image)) => {
            hint(image) && <[u8; 32]>::from(Sha256::digest(bytes)) == *image
        }
        xdr::SignerKey::PreAuthTx(_) | xdr::SignerKey::Ed25519SignedPayload(_) => false,
    }
}
