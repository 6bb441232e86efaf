//! The signed envelope around the actions of one transaction.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_zebra::SigningKey;
use threescript::action::Action;

use crate::digest::{Hash, digest, encode};
use crate::ids::{CircleId, Key, sign};
use crate::rejection::{Rejection, require};

/// The largest encoded transaction, in bytes.
pub const TRANSACTION_BYTES_MAX: usize = 1024 * 1024;
/// The most actions in one transaction.
pub const ACTIONS_MAX: usize = 4096;

/// What is signed: who wants which actions done, in which circle, and until when.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// The circle that this is for; no other accepts it.
    pub circle: CircleId,
    /// The key of the sending account. Its signature comes first.
    pub sender: Key,
    /// Used once per account, see [`crate::account::NonceWindow`].
    pub account_nonce: u64,
    /// The last block time, in milliseconds since 1970, at which this may take effect.
    pub expires_at_ms: u64,
    /// Done in order, all or none.
    pub actions: Vec<Action>,
}

impl Body {
    /// The id of the transaction, and what everybody who signs it signs.
    pub fn id(&self) -> Hash {
        digest("guardian-circle/v1/transaction", self)
    }
}

/// One signature under a body.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signed {
    /// Whose.
    pub key: Key,
    /// Over [`Body::id`].
    pub signature: [u8; 64],
}

/// A transaction: a body, the sender's signature, and those of any co-signers.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Envelope {
    /// What is asked for.
    pub body: Body,
    /// The sender's first, then the co-signers', in rising order of their keys.
    pub signatures: Vec<Signed>,
}

impl Envelope {
    /// A body signed by its sender.
    pub fn sign(body: Body, sender: &SigningKey) -> Self {
        let signature = sign(sender, &body.id());
        let key = Key::of(sender);
        Self {
            body,
            signatures: vec![Signed { key, signature }],
        }
    }

    /// Adds the signature of `secret`; a second one of the same key changes nothing.
    pub fn cosign(&mut self, secret: &SigningKey) {
        let key = Key::of(secret);
        if self.signatures.iter().any(|signed| signed.key == key) {
            return;
        }
        self.signatures.push(Signed {
            key,
            signature: sign(secret, &self.body.id()),
        });
        self.signatures[1..].sort_by_key(|signed| signed.key);
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads canonical bytes, and nothing but these.
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        require(
            bytes.len() <= TRANSACTION_BYTES_MAX,
            "envelope.too_large",
            || {
                format!(
                    "the transaction has {} bytes, at most {TRANSACTION_BYTES_MAX} are allowed; split it",
                    bytes.len()
                )
            },
        )?;
        let envelope: Self = borsh::from_slice(bytes).map_err(|error| {
            Rejection::new(
                "envelope.malformed",
                format!("this is no transaction: {error}; make it with `circle act`"),
            )
        })?;
        let actions = envelope.body.actions.len();
        require(
            (1..=ACTIONS_MAX).contains(&actions),
            "envelope.actions",
            || format!("a transaction has 1 to {ACTIONS_MAX} actions, not {actions}"),
        )?;
        Ok(envelope)
    }

    /// Checks everything that needs no state but the circle's id and the time: circle, expiry, signatures.
    ///
    /// Returns the keys that signed.
    pub fn verify(&self, circle: CircleId, block_time_ms: u64) -> Result<BTreeSet<Key>, Rejection> {
        require(
            self.body.circle == circle,
            "envelope.foreign_circle",
            || {
                format!(
                    "the transaction is for circle {}, this is {circle}",
                    self.body.circle
                )
            },
        )?;
        require(
            self.body.expires_at_ms >= block_time_ms,
            "envelope.expired",
            || {
                format!(
                    "the transaction expired {} ms ago; sign it again",
                    block_time_ms - self.body.expires_at_ms
                )
            },
        )?;
        let sender_first = self
            .signatures
            .first()
            .is_some_and(|signed| signed.key == self.body.sender);
        let sorted = self
            .signatures
            .get(1..)
            .is_some_and(|rest| rest.windows(2).all(|pair| pair[0].key < pair[1].key));
        let keys: BTreeSet<Key> = self.signatures.iter().map(|signed| signed.key).collect();
        require(
            sender_first && sorted && keys.len() == self.signatures.len(),
            "envelope.signers",
            || {
                "the sender's signature comes first, then each co-signer's once, by rising key"
                    .into()
            },
        )?;
        let id = self.body.id();
        for signed in &self.signatures {
            require(
                signed.key.verifies(&id, &signed.signature),
                "envelope.signature",
                || {
                    format!(
                        "the signature of {} does not fit this transaction; sign it again",
                        signed.key
                    )
                },
            )?;
        }
        Ok(keys)
    }
}
