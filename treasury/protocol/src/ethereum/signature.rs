//! Keys and signatures of owners: secp256k1, as Ethereum has them.

use std::fmt;

use alloy_primitives::keccak256;
use borsh::{BorshDeserialize, BorshSerialize};
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use rand_core::{CryptoRng, RngCore};
use zeroize::Zeroizing;

use super::{Address, EthereumError};

/// One owner's signature over the hash of a Safe transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct OwnerSignature {
    /// Who signed.
    pub owner: Address,
    /// r, s and v, as [`OwnerKey::sign`] gives them.
    pub bytes: [u8; 65],
}

impl OwnerSignature {
    /// Whether it is this owner's over `hash`. Errors: [`EthereumError::Signature`], [`EthereumError::WrongSigner`].
    pub fn verify(&self, hash: &[u8; 32]) -> Result<(), EthereumError> {
        let recovered = recover(hash, &self.bytes)?;
        match recovered == self.owner {
            true => Ok(()),
            false => Err(EthereumError::WrongSigner {
                owner: self.owner,
                recovered,
            }),
        }
    }
}

/// The address whose key made `signature` over `hash`.
///
/// Accepts one form only, 32 bytes r, 32 bytes s in the lower half of the order, v of 27 or 28: what others make of it
/// (v of 0 and 1, contract signatures, prefixed messages) a Safe would read as something else.
pub fn recover(hash: &[u8; 32], signature: &[u8; 65]) -> Result<Address, EthereumError> {
    let [numbers @ .., v] = signature;
    let recovery = match v {
        27 => RecoveryId::new(false, false),
        28 => RecoveryId::new(true, false),
        _ => return Err(EthereumError::Signature),
    };
    let signature = Signature::from_slice(numbers).map_err(|_| EthereumError::Signature)?;
    if signature.normalize_s().is_some() {
        return Err(EthereumError::Signature);
    }
    VerifyingKey::recover_from_prehash(hash, &signature, recovery)
        .map(|key| address_of(&key))
        .map_err(|_| EthereumError::Signature)
}

/// The hash that wallets sign for a message that they show as text (EIP-191, `personal_sign`).
pub fn message_hash(message: &[u8]) -> [u8; 32] {
    let head = format!("\x19Ethereum Signed Message:\n{}", message.len());
    keccak256([head.as_bytes(), message].concat()).0
}

/// The secret key of an owner, or of whoever sends transactions and pays for them. Wiped when dropped, never shown.
#[derive(Clone)]
pub struct OwnerKey(SigningKey);

impl OwnerKey {
    /// A new key.
    pub fn random(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self(SigningKey::random(rng))
    }

    /// Reads a key. Errors: [`EthereumError::SecretKey`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, EthereumError> {
        SigningKey::from_slice(bytes)
            .map(Self)
            .map_err(|_| EthereumError::SecretKey)
    }

    /// The key itself, to be stored encrypted.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// The address that the key signs for.
    pub fn address(&self) -> Address {
        address_of(self.0.verifying_key())
    }

    /// Signs a hash; the same hash gives the same bytes (RFC 6979).
    ///
    /// Errors: [`EthereumError::Signature`] if the hash cannot be signed with this key, which nobody has ever seen.
    pub fn sign(&self, hash: &[u8; 32]) -> Result<[u8; 65], EthereumError> {
        // k256 gives the signature whose s is in the lower half.
        let signed = self.0.sign_prehash_recoverable(hash);
        let (signature, recovery) = signed.map_err(|_| EthereumError::Signature)?;
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&signature.to_bytes());
        bytes[64] = 27 + u8::from(recovery.is_y_odd());
        // An x beyond the order, about one in 2^127, has no v of 27 or 28.
        match recovery.is_x_reduced() {
            true => Err(EthereumError::Signature),
            false => Ok(bytes),
        }
    }
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OwnerKey({}, <redacted>)", self.address())
    }
}

fn address_of(key: &VerifyingKey) -> Address {
    let point = key.to_encoded_point(false);
    // The first byte says that the point is not compressed.
    Address::of_hash(keccak256(&point.as_bytes()[1..]).0)
}
