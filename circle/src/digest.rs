//! The one way of this crate to make a digest.

use borsh::BorshSerialize;
use sha2::{Digest, Sha256};

/// A SHA-256 digest, 32 bytes.
pub type Hash = [u8; 32];

/// SHA-256 over `domain`, a zero byte and the borsh encoding of `value`.
///
/// Every kind of thing that is hashed or signed has its own domain, so that a signature on one can never be passed off as
/// a signature on another.
pub fn digest(domain: &str, value: &impl BorshSerialize) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(domain.as_bytes());
    hasher.update([0]);
    hasher.update(encode(value));
    hasher.finalize().into()
}

/// The canonical encoding of `value`.
pub fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory does not fail")
}
