//! Arithmetic on edwards25519 that the ceremonies share: strict decoding, challenges, polynomials.

use borsh::BorshSerialize;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use frost_ed25519::{Ed25519Group, Group};
use sha2::{Digest, Sha256, Sha512};

/// SHA-256 over `tag`, a zero byte and the canonical encoding of `value`.
pub(super) fn digest(tag: &str, value: &impl BorshSerialize) -> [u8; 32] {
    Sha256::digest(tagged(tag, value)).into()
}

/// A challenge: SHA-512 over `tag`, a zero byte and the canonical encoding of `value`, reduced.
pub(super) fn challenge(tag: &str, value: &impl BorshSerialize) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&Sha512::digest(tagged(tag, value)).into())
}

fn tagged(tag: &str, value: &impl BorshSerialize) -> Vec<u8> {
    let mut bytes = tag.as_bytes().to_vec();
    bytes.push(0);
    value
        .serialize(&mut bytes)
        .expect("writing to memory does not fail");
    bytes
}

/// A scalar in its one canonical encoding.
pub(super) fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_canonical_bytes(*bytes).into()
}

/// A point of prime order in its one canonical encoding, never the identity.
pub(super) fn prime_order_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    Ed25519Group::deserialize(bytes).ok()
}

/// Any point on the curve. For bytes that this crate wrote itself, and under [`eighth`].
pub(super) fn curve_point(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    CompressedEdwardsY(*bytes).decompress()
}

/// The point whose eighth `bytes` encode, if it is not the identity.
///
/// Multiplying by the cofactor lands in the group of prime order whatever was sent. That is a hundredth of the work of
/// testing the order, which matters for the thousands of commitments of a large ceremony.
pub(super) fn eighth(bytes: &[u8; 32]) -> Option<EdwardsPoint> {
    curve_point(bytes)
        .map(|point| point.mul_by_cofactor())
        .filter(|point| *point != EdwardsPoint::identity())
}

/// `f(index) * B` for a polynomial given by the commitments to its coefficients, constant first.
///
/// Everything is public here, so time may depend on it: Horner's rule with a factor of at most seven bits.
pub(super) fn evaluate_commitments(commitments: &[EdwardsPoint], index: u16) -> EdwardsPoint {
    commitments
        .iter()
        .rev()
        .fold(EdwardsPoint::identity(), |value, commitment| {
            times(value, index) + commitment
        })
}

/// `factor * point` for a factor of at least 1.
fn times(point: EdwardsPoint, factor: u16) -> EdwardsPoint {
    let below_top_bit = (u16::BITS - factor.leading_zeros()).saturating_sub(1);
    (0..below_top_bit).rev().fold(point, |sum, bit| {
        let doubled = sum + sum;
        if (factor >> bit) & 1 == 1 {
            doubled + point
        } else {
            doubled
        }
    })
}

/// `f(index)` for a polynomial given by its coefficients, constant first. Takes the same time for all coefficients.
pub(super) fn evaluate(coefficients: &[Scalar], index: u16) -> Scalar {
    let at = Scalar::from(index);
    coefficients
        .iter()
        .rev()
        .fold(Scalar::ZERO, |value, coefficient| value * at + coefficient)
}

/// The weight of `index` when the value at 0 is interpolated from the distinct, positive `indexes`, which hold it.
pub(super) fn lagrange_weight(indexes: impl Iterator<Item = u16>, index: u16) -> Scalar {
    let at = Scalar::from(index);
    let others = indexes.filter(|other| *other != index).map(Scalar::from);
    let (numerator, denominator) = others
        .fold((Scalar::ONE, Scalar::ONE), |(over, under), other| {
            (over * other, under * (other - at))
        });
    numerator * denominator.invert()
}
