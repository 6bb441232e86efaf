//! One session: fixed commitments, and the shares that come in for them.
//!
//! The equations are those of RFC 9591, sections 4 and 5. They are computed here, over the frost crate's hash functions,
//! because judging a share there starts from nothing each time, which is quadratic in the number of signers.

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use frost_ed25519::{Ciphersuite, Ed25519Sha512, Identifier, Signature, VerifyingKey};

use super::Commitment;
use crate::ceremony::{GroupKey, group};

/// Signers that were fixed at one moment, and what they have given.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Session {
    /// In the order of their numbers.
    signers: Vec<SessionSigner>,
    /// `R` of the signature.
    group_commitment: [u8; 32],
    closed: bool,
}

/// One signer of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SessionSigner {
    /// Number of the member.
    pub index: u16,
    /// The nonces it signs with.
    pub commitment: Commitment,
    /// Ties the binding nonce to the message and to all commitments of the session.
    pub binding_factor: [u8; 32],
    /// Its share, once it came in and was found right.
    pub share: Option<[u8; 32]>,
}

impl Session {
    /// Fixes a session over commitments that were checked, in the order of their members' numbers.
    pub(super) fn fix(
        public: &[u8; 32],
        message: &[u8; 32],
        commitments: Vec<(u16, Commitment)>,
    ) -> Self {
        let factors = binding_factors(public, message, &commitments);
        let hiding = commitments
            .iter()
            .map(|(_, commitment)| point(&commitment.hiding))
            .sum::<EdwardsPoint>();
        let binding = commitments
            .iter()
            .map(|(_, commitment)| point(&commitment.binding));
        let group_commitment = hiding + EdwardsPoint::vartime_multiscalar_mul(&factors, binding);
        let signers = commitments
            .iter()
            .zip(&factors)
            .map(|((index, commitment), factor)| SessionSigner {
                index: *index,
                commitment: *commitment,
                binding_factor: factor.to_bytes(),
                share: None,
            });
        Self {
            signers: signers.collect(),
            group_commitment: group_commitment.compress().to_bytes(),
            closed: false,
        }
    }

    /// Whether `share` is the signer's right share of this session's signature. False for anybody else.
    ///
    /// Pure and public: what an auditor calls to judge a [`super::Cheater`].
    pub fn share_is_valid(
        &self,
        key: &GroupKey,
        message: &[u8; 32],
        index: u16,
        share: &[u8; 32],
    ) -> bool {
        self.judge(key, message, index, share).unwrap_or(false)
    }

    /// `None` where something does not decode.
    fn judge(
        &self,
        key: &GroupKey,
        message: &[u8; 32],
        index: u16,
        share: &[u8; 32],
    ) -> Option<bool> {
        let signer = self.signer(index)?;
        let share = group::scalar(share)?;
        let factor = group::scalar(&signer.binding_factor)?;
        let verifying_share = group::curve_point(key.verifying_share(index)?)?;
        let binding = group::curve_point(&signer.commitment.binding)?;
        let hiding = group::curve_point(&signer.commitment.hiding)?;
        let weight = group::lagrange_weight(self.signers.iter().map(|signer| signer.index), index);
        let challenge =
            Ed25519Sha512::H2(&[&self.group_commitment[..], &key.public, message].concat());
        // share * B = hiding + factor * binding + challenge * weight * verifying share
        let scalars = [share, -(challenge * weight), -factor];
        let points = [ED25519_BASEPOINT_POINT, verifying_share, binding];
        Some(EdwardsPoint::vartime_multiscalar_mul(scalars, points) == hiding)
    }

    /// Keeps a share that is valid.
    pub(super) fn take(&mut self, index: u16, share: &[u8; 32]) {
        if let Some(signer) = self.signers.iter_mut().find(|signer| signer.index == index) {
            signer.share = Some(*share);
        }
    }

    /// The signature, when all shares are in.
    pub(super) fn signature(&self) -> Option<[u8; 64]> {
        let shares = self
            .signers
            .iter()
            .map(|signer| signer.share.as_ref().and_then(group::scalar));
        let sum = shares.sum::<Option<Scalar>>()?;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&self.group_commitment);
        signature[32..].copy_from_slice(sum.as_bytes());
        Some(signature)
    }

    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// Whether the session was given up, because a signer cheated or lost its nonces.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The signers, in the order of their numbers.
    pub fn signers(&self) -> &[SessionSigner] {
        &self.signers
    }

    /// The signer of this number, if it is in the session.
    pub fn signer(&self, index: u16) -> Option<&SessionSigner> {
        self.signers.iter().find(|signer| signer.index == index)
    }
}

/// Whether `signature` is the group's over `message`.
pub(super) fn verifies(key: &GroupKey, message: &[u8; 32], signature: &[u8; 64]) -> bool {
    let (Ok(public), Ok(signature)) = (
        VerifyingKey::deserialize(&key.public),
        Signature::deserialize(signature),
    ) else {
        return false;
    };
    public.verify(message, &signature).is_ok()
}

/// RFC 9591, section 4.4, for commitments in the order of their members' numbers.
fn binding_factors(
    public: &[u8; 32],
    message: &[u8; 32],
    commitments: &[(u16, Commitment)],
) -> Vec<Scalar> {
    let identifier = |index: u16| {
        Identifier::try_from(index)
            .expect("members are numbered from 1")
            .serialize()
    };
    let encode = |(index, commitment): &(u16, Commitment)| {
        [
            &identifier(*index)[..],
            &commitment.hiding,
            &commitment.binding,
        ]
        .concat()
    };
    let list: Vec<u8> = commitments.iter().flat_map(encode).collect();
    let prefix = [
        &public[..],
        &Ed25519Sha512::H4(message),
        &Ed25519Sha512::H5(&list),
    ]
    .concat();
    let factor = |(index, _): &(u16, Commitment)| {
        Ed25519Sha512::H1(&[&prefix[..], &identifier(*index)].concat())
    };
    commitments.iter().map(factor).collect()
}

fn point(bytes: &[u8; 32]) -> EdwardsPoint {
    group::curve_point(bytes).expect("commitments are checked when they are posted")
}
