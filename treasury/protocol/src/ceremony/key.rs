//! What a key ceremony leaves behind: the group's public key and one secret share for each member.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{CeremonyId, group};

/// A group's public key, with what is needed to judge each member's part of a signature.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct GroupKey {
    /// The ceremony that made the key.
    pub ceremony: CeremonyId,
    /// The ed25519 public key under which the group's signatures verify.
    pub public: [u8; 32],
    /// Members needed for a signature.
    pub threshold: u16,
    /// Public counterpart of each member's secret share; member `i` is at `i - 1`.
    pub verifying_shares: Vec<[u8; 32]>,
}

impl GroupKey {
    /// Number of members that hold a share.
    pub fn members(&self) -> u16 {
        // A key has at most 99 members.
        self.verifying_shares.len() as u16
    }

    /// The public counterpart of a member's share; `None` if there is no such member.
    pub fn verifying_share(&self, index: u16) -> Option<&[u8; 32]> {
        self.verifying_shares
            .get(usize::from(index).checked_sub(1)?)
    }
}

/// One member's secret share of a group key. Wiped when dropped, never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct KeyShare {
    #[zeroize(skip)]
    ceremony: CeremonyId,
    #[zeroize(skip)]
    public: [u8; 32],
    #[zeroize(skip)]
    threshold: u16,
    #[zeroize(skip)]
    index: u16,
    secret: Scalar,
}

/// Why bytes are not a key share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyShareError {
    /// The bytes were not written by [`KeyShare::to_bytes`]; restore the share from a backup.
    #[error("these bytes are not a key share; restore it from a backup")]
    Malformed,
}

impl KeyShareError {
    /// Stable short code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "key_share_malformed",
        }
    }
}

/// A version byte, so that stored shares can be told apart should their form ever change.
const KEY_SHARE_VERSION: u8 = 1;

impl KeyShare {
    pub(super) fn new(
        ceremony: CeremonyId,
        public: [u8; 32],
        threshold: u16,
        index: u16,
        secret: Scalar,
    ) -> Self {
        Self {
            ceremony,
            public,
            threshold,
            index,
            secret,
        }
    }

    /// The ceremony that made the key.
    pub fn ceremony(&self) -> CeremonyId {
        self.ceremony
    }

    /// The group's public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Number of the member that holds this share, from 1.
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Members needed for a signature.
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// Whether this is the share that `key` counts on for its member.
    pub fn belongs_to(&self, key: &GroupKey) -> bool {
        let verifying = EdwardsPoint::mul_base(&self.secret).compress().to_bytes();
        self.ceremony == key.ceremony
            && self.public == key.public
            && self.threshold == key.threshold
            && key.verifying_share(self.index) == Some(&verifying)
    }

    /// The share as bytes, secret included: only ever to be stored encrypted.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let public = (
            KEY_SHARE_VERSION,
            self.ceremony,
            self.public,
            self.threshold,
            self.index,
        );
        let secret = Zeroizing::new(self.secret.to_bytes());
        // Room for all at once: a vector that grows would leave copies of the secret behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(128));
        (public, *secret)
            .serialize(&mut *bytes)
            .expect("writing to memory does not fail");
        bytes
    }

    /// Reads a share back.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyShareError> {
        type Stored = ((u8, CeremonyId, [u8; 32], u16, u16), [u8; 32]);
        let ((version, ceremony, public, threshold, index), secret) =
            borsh::from_slice::<Stored>(bytes).map_err(|_| KeyShareError::Malformed)?;
        let secret = Zeroizing::new(secret);
        match group::scalar(&secret) {
            Some(secret) if version == KEY_SHARE_VERSION && index > 0 => {
                Ok(Self::new(ceremony, public, threshold, index, secret))
            }
            _ => Err(KeyShareError::Malformed),
        }
    }

    pub(super) fn secret(&self) -> &Scalar {
        &self.secret
    }
}

impl fmt::Debug for KeyShare {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyShare")
            .field("ceremony", &self.ceremony)
            .field("public", &hex::encode(self.public))
            .field("threshold", &self.threshold)
            .field("index", &self.index)
            .field("secret", &"<redacted>")
            .finish()
    }
}
