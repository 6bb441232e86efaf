//! The messages of a signing and their strict encoding.

use borsh::{BorshDeserialize, BorshSerialize};

use super::Rejection;
use crate::ceremony::group;

/// More than the largest message.
pub const MAX_MESSAGE_BYTES: usize = 128;

/// What members of a signing post on the ordered log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// The sender is ready to sign with these nonces.
    Commit(Commitment),
    /// The sender's share of a session's signature.
    Share {
        /// Number of the session.
        session: u32,
        /// A scalar.
        share: [u8; 32],
    },
}

impl Message {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        borsh::to_vec(self).expect("writing to memory does not fail")
    }

    /// Reads canonical bytes and nothing else. Errors: [`Rejection::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            let reason = format!("{} bytes are more than {MAX_MESSAGE_BYTES}", bytes.len());
            return Err(Rejection::Malformed { reason });
        }
        borsh::from_slice(bytes).map_err(|error| Rejection::Malformed {
            reason: error.to_string(),
        })
    }
}

/// Commitments to the two nonces of one signer for one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commitment {
    /// Point of the hiding nonce.
    pub hiding: [u8; 32],
    /// Point of the binding nonce.
    pub binding: [u8; 32],
}

impl Commitment {
    /// Both must be points of prime order: others would make honest signers refuse the session, with nobody to blame.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        if [self.hiding, self.binding]
            .iter()
            .all(|point| group::prime_order_point(point).is_some())
        {
            Ok(())
        } else {
            Err(Rejection::Malformed {
                reason: "a nonce commitment is not a point of prime order".to_owned(),
            })
        }
    }
}
