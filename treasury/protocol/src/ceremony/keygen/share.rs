//! One share of a polynomial on its way from its sender to its receiver over a public log.

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce, Tag};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ceremony::group;

/// A share of 32 bytes, encrypted, and its tag of 16.
pub type SealedShare = [u8; 48];

const SHARE_BYTES: usize = 32;

/// Which share: its place is part of the key that it is encrypted with.
pub(super) struct Address<'a> {
    pub context: &'a [u8; 32],
    pub sender: u16,
    pub receiver: u16,
}

impl Address<'_> {
    /// Encrypts with a key that follows from the Diffie-Hellman point of sender and receiver.
    pub(super) fn seal(&self, shared: &EdwardsPoint, share: &Scalar) -> SealedShare {
        let mut sealed = [0; 48];
        let (text, tag) = sealed.split_at_mut(SHARE_BYTES);
        text.copy_from_slice(&Zeroizing::new(share.to_bytes())[..]);
        let computed = self
            .cipher(shared)
            .encrypt_in_place_detached(&Nonce::default(), &[], text)
            .expect("32 bytes are within the cipher's limit");
        tag.copy_from_slice(&computed);
        sealed
    }

    /// Decrypts; `None` if the tag is wrong. The bytes need not be a share yet: see [`read_share`].
    pub(super) fn open(
        &self,
        shared: &EdwardsPoint,
        sealed: &SealedShare,
    ) -> Option<Zeroizing<[u8; 32]>> {
        let (text, tag) = sealed.split_at(SHARE_BYTES);
        let mut share = Zeroizing::new([0; SHARE_BYTES]);
        share.copy_from_slice(text);
        self.cipher(shared)
            .decrypt_in_place_detached(&Nonce::default(), &[], &mut share[..], Tag::from_slice(tag))
            .ok()?;
        Some(share)
    }

    /// Each key encrypts exactly one share, so the cipher's own nonce may be zero.
    pub(super) fn cipher(&self, shared: &EdwardsPoint) -> ChaCha20Poly1305 {
        let shared = Zeroizing::new(shared.compress().to_bytes());
        let place = borsh::to_vec(&(self.context, self.sender, self.receiver))
            .expect("writing to memory does not fail");
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(Some(b"guardian-circle/v1/keygen/share"), &shared[..])
            .expand(&place, &mut key[..])
            .expect("32 bytes are within the limit of HKDF");
        ChaCha20Poly1305::new((&*key).into())
    }
}

/// The share in decrypted bytes, if it lies on the polynomial that its sender committed to.
pub(super) fn read_share(
    bytes: &[u8; 32],
    commitments: &[EdwardsPoint],
    receiver: u16,
) -> Option<Scalar> {
    let share = group::scalar(bytes)?;
    (EdwardsPoint::mul_base(&share) == group::evaluate_commitments(commitments, receiver))
        .then_some(share)
}
