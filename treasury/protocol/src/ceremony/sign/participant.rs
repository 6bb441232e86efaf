//! What one member does in a signing.

use std::collections::BTreeMap;
use std::fmt;

use frost_ed25519::keys::{KeyPackage, SigningShare, VerifyingShare};
use frost_ed25519::round1::{self, NonceCommitment, SigningCommitments};
use frost_ed25519::{Identifier, SigningPackage, VerifyingKey, round2};
use rand_core::{CryptoRng, RngCore};
use thiserror::Error;
use zeroize::Zeroizing;

use super::{Commitment, Duty, Message, Signing};
use crate::ceremony::{GroupKey, KeyShare};

/// Secret nonces for one share. They live in memory only, are not copied, and are used up by signing.
///
/// A node that restarts has lost them, which is as it should be: it makes new ones. They cannot be used twice, copied or
/// stored:
///
/// ```compile_fail,E0382
/// # use treasury_protocol::ceremony::{GroupKey, KeyShare, sign::{Signing, SigningNonces}};
/// fn twice(nonces: SigningNonces, share: &KeyShare, key: &GroupKey, signing: &Signing) {
///     let _ = nonces.sign(share, key, signing, 0, signing.message());
///     let _ = nonces.sign(share, key, signing, 1, signing.message());
/// }
/// ```
/// ```compile_fail,E0277
/// # use treasury_protocol::ceremony::sign::SigningNonces;
/// fn copied<T: Clone>(_: T) {}
/// fn of_nonces(nonces: SigningNonces) {
///     copied(nonces);
/// }
/// ```
/// ```compile_fail,E0277
/// # use treasury_protocol::ceremony::sign::SigningNonces;
/// fn stored(nonces: &SigningNonces) -> Vec<u8> {
///     borsh::to_vec(nonces).unwrap()
/// }
/// ```
pub struct SigningNonces {
    nonces: round1::SigningNonces,
    commitment: Commitment,
}

/// Why a member does not sign.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignError {
    /// What is to be signed is not what this member came to itself.
    #[error(
        "the message to be signed is {}, this member expects {}; compare their origins",
        hex::encode(found),
        hex::encode(expected)
    )]
    OtherMessage {
        /// What the member recomputed.
        expected: [u8; 32],
        /// What the signing is about.
        found: [u8; 32],
    },
    /// The share is of another key.
    #[error(
        "this key share does not belong to the group key of the signing; choose the share of its ceremony"
    )]
    OtherKey,
    /// The session does not wait for a share of this member.
    #[error("session {session} waits for no share of member {index}; follow its duty")]
    NotOwed {
        /// The member's number.
        index: u16,
        /// The session named.
        session: u32,
    },
    /// The session was fixed with other nonces.
    #[error(
        "session {session} was fixed with other nonces, which are gone after a restart; commit anew"
    )]
    OtherNonces {
        /// The session named.
        session: u32,
    },
    /// The frost crate refused.
    #[error("signing failed: {reason}")]
    Refused {
        /// Its reason.
        reason: String,
    },
}

impl SignError {
    /// Stable short code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OtherMessage { .. } => "sign_other_message",
            Self::OtherKey => "sign_other_key",
            Self::NotOwed { .. } => "sign_not_owed",
            Self::OtherNonces { .. } => "sign_other_nonces",
            Self::Refused { .. } => "sign_refused",
        }
    }
}

impl SigningNonces {
    /// Draws fresh nonces, and the message that commits to them.
    pub fn commit(
        share: &KeyShare,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<(Self, Message), SignError> {
        let (nonces, commitments) = round1::commit(&signing_share(share)?, rng);
        let commitment = Commitment {
            hiding: bytes(commitments.hiding().serialize())?,
            binding: bytes(commitments.binding().serialize())?,
        };
        Ok((Self { nonces, commitment }, Message::Commit(commitment)))
    }

    /// Whether the session was fixed with these nonces. Ask before [`SigningNonces::sign`], which uses them up.
    pub fn belong_to(&self, signing: &Signing, session: u32, index: u16) -> bool {
        let signer = signing
            .sessions()
            .get(session as usize)
            .and_then(|session| session.signer(index));
        signer.is_some_and(|signer| signer.commitment == self.commitment)
    }

    /// Makes this member's share for a session, and uses the nonces up whether that succeeds or not.
    ///
    /// `message` is what the member recomputed from its own state; another message in `signing` is refused. "This session
    /// was answered" must be durable before the returned message leaves the node.
    pub fn sign(
        self,
        share: &KeyShare,
        key: &GroupKey,
        signing: &Signing,
        session: u32,
        message: &[u8; 32],
    ) -> Result<Message, SignError> {
        let index = share.index();
        if signing.message() != message {
            return Err(SignError::OtherMessage {
                expected: *message,
                found: *signing.message(),
            });
        }
        if signing.public() != share.public() || !share.belongs_to(key) {
            return Err(SignError::OtherKey);
        }
        if signing.duty(index) != Some(Duty::Share { session }) {
            return Err(SignError::NotOwed { index, session });
        }
        if !self.belong_to(signing, session, index) {
            return Err(SignError::OtherNonces { session });
        }
        let package = signing_package(signing, session, message)?;
        let signature_share =
            round2::sign(&package, &self.nonces, &key_package(share, key)?).map_err(refused)?;
        Ok(Message::Share {
            session,
            share: bytes(Ok(signature_share.serialize()))?,
        })
    }
}

impl fmt::Debug for SigningNonces {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SigningNonces")
            .field("nonces", &"<redacted>")
            .field("commitment", &self.commitment)
            .finish()
    }
}

fn signing_package(
    signing: &Signing,
    session: u32,
    message: &[u8; 32],
) -> Result<SigningPackage, SignError> {
    let signers = signing
        .sessions()
        .get(session as usize)
        .map(|session| session.signers())
        .unwrap_or_default();
    let commitments = signers.iter().map(|signer| {
        let hiding = NonceCommitment::deserialize(&signer.commitment.hiding)?;
        let binding = NonceCommitment::deserialize(&signer.commitment.binding)?;
        Ok((
            Identifier::try_from(signer.index)?,
            SigningCommitments::new(hiding, binding),
        ))
    });
    let commitments = commitments
        .collect::<Result<BTreeMap<_, _>, _>>()
        .map_err(refused)?;
    Ok(SigningPackage::new(commitments, message))
}

fn key_package(share: &KeyShare, key: &GroupKey) -> Result<KeyPackage, SignError> {
    let verifying_share = key
        .verifying_share(share.index())
        .ok_or(SignError::OtherKey)?;
    Ok(KeyPackage::new(
        Identifier::try_from(share.index()).map_err(refused)?,
        signing_share(share)?,
        VerifyingShare::deserialize(verifying_share).map_err(refused)?,
        VerifyingKey::deserialize(&key.public).map_err(refused)?,
        key.threshold,
    ))
}

fn signing_share(share: &KeyShare) -> Result<SigningShare, SignError> {
    SigningShare::deserialize(&Zeroizing::new(share.secret().to_bytes())[..]).map_err(refused)
}

fn bytes(serialised: Result<Vec<u8>, frost_ed25519::Error>) -> Result<[u8; 32], SignError> {
    let serialised = serialised.map_err(refused)?;
    serialised.try_into().map_err(|_| SignError::Refused {
        reason: "an encoding is not of 32 bytes".to_owned(),
    })
}

fn refused(error: frost_ed25519::Error) -> SignError {
    SignError::Refused {
        reason: error.to_string(),
    }
}
