//! All secrets of one participant in one ceremony, from one seed.

use std::fmt;

use curve25519_dalek::scalar::Scalar;
use hkdf::Hkdf;
use rand_core::{CryptoRng, RngCore};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// 32 secret random bytes from which everything that a participant does in one ceremony follows.
///
/// Store it encrypted before the first message leaves: after a restart the same seed continues the ceremony. Delete it
/// when the ceremony is over and the key share is stored: it opens all shares that were sent to its owner.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Draws a new seed. One ceremony, one seed.
    pub fn random(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut seed = Self([0; 32]);
        rng.fill_bytes(&mut seed.0);
        seed
    }

    /// A seed that was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to be stored encrypted.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Seed(<redacted>)")
    }
}

/// Derives secrets for one participant of one ceremony. Everything public that a secret must not be shared between is
/// part of its derivation, so that the same seed in two ceremonies by mistake still gives unrelated secrets.
pub(super) struct Derivation {
    seed: Seed,
    context: [u8; 32],
    index: u16,
}

impl Derivation {
    pub(super) fn new(seed: &Seed, context: [u8; 32], index: u16) -> Self {
        Self {
            seed: seed.clone(),
            context,
            index,
        }
    }

    pub(super) fn context(&self) -> &[u8; 32] {
        &self.context
    }

    /// A uniform scalar for `purpose`, which no other purpose or `detail` shares.
    pub(super) fn scalar(&self, purpose: &str, detail: &[u8]) -> Zeroizing<Scalar> {
        let info = borsh::to_vec(&(self.context, self.index, purpose, detail))
            .expect("writing to memory does not fail");
        let mut wide = Zeroizing::new([0; 64]);
        Hkdf::<Sha256>::new(Some(b"guardian-circle/v1/keygen/secrets"), &self.seed.0)
            .expand(&info, &mut wide[..])
            .expect("64 bytes are within the limit of HKDF");
        Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide))
    }
}
