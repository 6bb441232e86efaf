//! Names of circles and keys, and the signatures that keys make.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_zebra::{Signature, SigningKey, VerificationKey, VerificationKeyBytes};

use crate::digest::{Hash, digest};

/// Which circle something belongs to: 32 bytes, fixed in the genesis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct CircleId(pub Hash);

impl CircleId {
    /// The id of a circle that anyone may derive from its name, as a development circle's is.
    pub fn of_name(name: &str) -> Self {
        Self(digest("guardian-circle/v1/circle-name", &name))
    }
}

/// An ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Key(pub [u8; 32]);

impl Key {
    /// The public half of `secret`.
    pub fn of(secret: &SigningKey) -> Self {
        Self(VerificationKeyBytes::from(secret).into())
    }

    /// Whether these bytes are a point of the curve, so that the key can have signed anything.
    pub fn is_valid(&self) -> bool {
        VerificationKey::try_from(self.0).is_ok()
    }

    /// Whether `signature` is this key's over `digest`, by the rules of ZIP-215.
    pub fn verifies(&self, digest: &Hash, signature: &[u8; 64]) -> bool {
        VerificationKey::try_from(self.0).is_ok_and(|key| {
            key.verify(&Signature::from_bytes(signature), digest)
                .is_ok()
        })
    }
}

/// The signature of `secret` over `digest`.
pub fn sign(secret: &SigningKey, digest: &Hash) -> [u8; 64] {
    secret.sign(digest).to_bytes()
}

macro_rules! hexadecimal {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl std::str::FromStr for $name {
            type Err = hex::FromHexError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let mut bytes = [0; 32];
                hex::decode_to_slice(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }
    )*};
}
hexadecimal!(CircleId, Key);
