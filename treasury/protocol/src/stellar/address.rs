//! Addresses of accounts: `G…` strkeys of ed25519 keys (SEP-0023).

use stellar_strkey::ed25519::PublicKey;

use super::StellarError;

/// The `G…` address of the account whose master key is `key`.
pub fn address(key: &[u8; 32]) -> String {
    PublicKey(*key).to_string().as_str().to_owned()
}

/// The ed25519 key behind a `G…` address.
///
/// Errors: [`StellarError::Address`] for anything else, muxed (`M…`) addresses included.
pub fn key_of_address(text: &str) -> Result<[u8; 32], StellarError> {
    PublicKey::from_string(text)
        .map(|key| key.0)
        .map_err(|_| StellarError::Address {
            text: text.to_owned(),
        })
}
