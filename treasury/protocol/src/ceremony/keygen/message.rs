//! The messages of a key generation, their strict encoding, and the proofs in them.

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;

use super::Rejection;
use super::share::SealedShare;
use crate::ceremony::group;

/// More than the largest message: a complaint among 99 members, with the two messages it is about (8.3 kB).
pub const MAX_MESSAGE_BYTES: usize = 12 * 1024;

/// What members of a key generation post on the ordered log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Commitments, and the key to encrypt to.
    Round1(Round1),
    /// Encrypted shares for all others.
    Round2(Round2),
    /// Proof that a received share is bad.
    Complaint(Box<Complaint>),
    /// Proof that the sender holds a working share.
    Confirm(Confirm),
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

    /// The kind of message, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Round1(_) => "round-1",
            Self::Round2(_) => "round-2",
            Self::Complaint(_) => "complaint",
            Self::Confirm(_) => "confirm",
        }
    }
}

/// Commitments to a secret polynomial and a fresh encryption key.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Round1 {
    /// An eighth of the commitment to each coefficient, constant first; as many as the threshold.
    ///
    /// Receivers multiply by eight, which leaves no way to smuggle in points of small order.
    pub commitments: Vec<[u8; 32]>,
    /// Point to which the shares for this member are encrypted, in this ceremony only.
    pub encryption_key: [u8; 32],
    /// Proof that the sender knows the secrets behind the first commitment and the encryption key.
    pub proof: PossessionProof,
}

/// A Schnorr proof for two secrets at once, bound to the ceremony, the sender and all its commitments.
///
/// Without it a member could choose its commitments to cancel the others' (the rogue key), or take another member's
/// encryption key for its own and have its shares opened by a complaint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PossessionProof {
    /// Hash of the statement and both nonce points.
    pub challenge: [u8; 32],
    /// Answer for the constant coefficient.
    pub coefficient: [u8; 32],
    /// Answer for the encryption key.
    pub encryption: [u8; 32],
}

/// The encrypted shares of one sender.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Round2 {
    /// One for each other member, in their order.
    pub shares: Vec<SealedShare>,
}

/// A member shows that the share it received from `accused` is bad.
///
/// It reveals the secret that the two shared in this ceremony, so that everybody can open that one share, and proves
/// that it is the right one. The accused's own messages come along; the state knows their digests.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Complaint {
    /// Number of the member that sent the share.
    pub accused: u16,
    /// The accused's message of round 1.
    pub round1: Round1,
    /// The accused's message of round 2.
    pub round2: Round2,
    /// The Diffie-Hellman point of the two encryption keys.
    pub shared_secret: [u8; 32],
    /// Proof that `shared_secret` is that point.
    pub proof: SharedSecretProof,
}

/// Proof that one secret is behind both the complainer's encryption key and the shared point (Chaum and Pedersen).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SharedSecretProof {
    /// Hash of the statement and both nonce points.
    pub challenge: [u8; 32],
    /// Answer.
    pub response: [u8; 32],
}

/// A member holds a working share of this key after these messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Confirm {
    /// The group's public key.
    pub public: [u8; 32],
    /// Digest of the ceremony and its messages.
    pub transcript: [u8; 32],
    /// Schnorr proof of the sender's share: hash of the statement and the nonce point.
    pub challenge: [u8; 32],
    /// Answer.
    pub response: [u8; 32],
}

impl Round1 {
    pub(super) fn digest(&self) -> [u8; 32] {
        group::digest("guardian-circle/v1/keygen/round1", self)
    }

    /// The commitments as points, unless something is wrong with the message.
    pub(super) fn verify(
        &self,
        context: &[u8; 32],
        sender: u16,
        threshold: u16,
    ) -> Result<Vec<EdwardsPoint>, Rejection> {
        let malformed = |reason: String| Rejection::Malformed { reason };
        if self.commitments.len() != usize::from(threshold) {
            return Err(malformed(format!(
                "{} commitments instead of {threshold}",
                self.commitments.len()
            )));
        }
        let commitments = self
            .points()
            .ok_or_else(|| malformed("a commitment is not a point".to_owned()))?;
        let encryption_key = group::prime_order_point(&self.encryption_key).ok_or_else(|| {
            malformed("the encryption key is not a point of prime order".to_owned())
        })?;
        if self
            .proof
            .verify(context, sender, self, &commitments[0], &encryption_key)
        {
            Ok(commitments)
        } else {
            Err(Rejection::Proof {
                index: sender,
                message: "round-1",
            })
        }
    }

    pub(super) fn points(&self) -> Option<Vec<EdwardsPoint>> {
        self.commitments.iter().map(group::eighth).collect()
    }

    fn challenge(&self, context: &[u8; 32], sender: u16, nonces: [EdwardsPoint; 2]) -> Scalar {
        let nonces = nonces.map(|nonce| nonce.compress().to_bytes());
        let statement = (
            context,
            sender,
            &self.commitments,
            self.encryption_key,
            nonces,
        );
        group::challenge("guardian-circle/v1/keygen/possession", &statement)
    }
}

impl PossessionProof {
    /// Proves knowledge of `secrets` with fresh `nonces`; the proof in `round1` is not looked at.
    pub(super) fn prove(
        context: &[u8; 32],
        sender: u16,
        round1: &Round1,
        secrets: [&Scalar; 2],
        nonces: [&Scalar; 2],
    ) -> Self {
        let challenge = round1.challenge(context, sender, nonces.map(EdwardsPoint::mul_base));
        Self {
            challenge: challenge.to_bytes(),
            coefficient: (nonces[0] + challenge * secrets[0]).to_bytes(),
            encryption: (nonces[1] + challenge * secrets[1]).to_bytes(),
        }
    }

    fn verify(
        &self,
        context: &[u8; 32],
        sender: u16,
        round1: &Round1,
        first: &EdwardsPoint,
        key: &EdwardsPoint,
    ) -> bool {
        let scalars = [&self.challenge, &self.coefficient, &self.encryption].map(group::scalar);
        let [Some(challenge), Some(coefficient), Some(encryption)] = scalars else {
            return false;
        };
        let nonces = [
            nonce_point(&coefficient, &challenge, first),
            nonce_point(&encryption, &challenge, key),
        ];
        round1.challenge(context, sender, nonces) == challenge
    }
}

impl Round2 {
    pub(super) fn digest(&self) -> [u8; 32] {
        group::digest("guardian-circle/v1/keygen/round2", self)
    }

    /// The share that `sender` made for `receiver`; `None` if they are the same or out of range.
    pub(super) fn share_for(&self, sender: u16, receiver: u16) -> Option<&SealedShare> {
        // The list leaves its sender out.
        let skipped = match receiver.cmp(&sender) {
            std::cmp::Ordering::Less => 1,
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => 2,
        };
        self.shares.get(usize::from(receiver).checked_sub(skipped)?)
    }
}

/// The statement of a complaint: whose key, whose base, and the point between them.
pub(super) struct SharedSecret<'a> {
    pub context: &'a [u8; 32],
    pub complainer: u16,
    pub accused: u16,
    pub complainer_key: &'a EdwardsPoint,
    pub accused_key: &'a EdwardsPoint,
    pub shared: &'a EdwardsPoint,
}

impl SharedSecret<'_> {
    pub(super) fn prove(&self, secret: &Scalar, nonce: &Scalar) -> SharedSecretProof {
        let challenge = self.challenge([EdwardsPoint::mul_base(nonce), self.accused_key * nonce]);
        SharedSecretProof {
            challenge: challenge.to_bytes(),
            response: (nonce + challenge * secret).to_bytes(),
        }
    }

    pub(super) fn verify(&self, proof: &SharedSecretProof) -> bool {
        let (Some(challenge), Some(response)) = (
            group::scalar(&proof.challenge),
            group::scalar(&proof.response),
        ) else {
            return false;
        };
        let at_base = nonce_point(&response, &challenge, self.complainer_key);
        let at_key = EdwardsPoint::vartime_multiscalar_mul(
            [response, -challenge],
            [self.accused_key, self.shared],
        );
        self.challenge([at_base, at_key]) == challenge
    }

    fn challenge(&self, nonces: [EdwardsPoint; 2]) -> Scalar {
        let points = [
            *self.complainer_key,
            *self.accused_key,
            *self.shared,
            nonces[0],
            nonces[1],
        ];
        let points = points.map(|point| point.compress().to_bytes());
        let statement = (self.context, self.complainer, self.accused, points);
        group::challenge("guardian-circle/v1/keygen/shared-secret", &statement)
    }
}

impl Confirm {
    /// Confirms with a proof of `share`, made with a fresh `nonce`.
    pub(super) fn prove(
        context: &[u8; 32],
        index: u16,
        (public, transcript): ([u8; 32], [u8; 32]),
        share: &Scalar,
        nonce: &Scalar,
    ) -> Self {
        let blank = Self {
            public,
            transcript,
            challenge: [0; 32],
            response: [0; 32],
        };
        let challenge = blank.challenge(
            context,
            index,
            &EdwardsPoint::mul_base(share),
            &EdwardsPoint::mul_base(nonce),
        );
        Self {
            challenge: challenge.to_bytes(),
            response: (nonce + challenge * share).to_bytes(),
            ..blank
        }
    }

    pub(super) fn proves(
        &self,
        context: &[u8; 32],
        index: u16,
        verifying_share: &EdwardsPoint,
    ) -> bool {
        let (Some(challenge), Some(response)) = (
            group::scalar(&self.challenge),
            group::scalar(&self.response),
        ) else {
            return false;
        };
        let nonce = nonce_point(&response, &challenge, verifying_share);
        self.challenge(context, index, verifying_share, &nonce) == challenge
    }

    fn challenge(
        &self,
        context: &[u8; 32],
        index: u16,
        verifying_share: &EdwardsPoint,
        nonce: &EdwardsPoint,
    ) -> Scalar {
        let points = [verifying_share, nonce].map(|point| point.compress().to_bytes());
        let statement = (context, index, self.public, self.transcript, points);
        group::challenge("guardian-circle/v1/keygen/confirm", &statement)
    }
}

/// The nonce point of a Schnorr proof: `response * B - challenge * key`.
fn nonce_point(response: &Scalar, challenge: &Scalar, key: &EdwardsPoint) -> EdwardsPoint {
    EdwardsPoint::vartime_double_scalar_mul_basepoint(&-challenge, key, response)
}
