//! Addresses of accounts: `G…` and `M…` strkeys of ed25519 keys (SEP-0023).

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};
use stellar_strkey::ed25519::{MuxedAccount, PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::StellarError;

/// Where a payment goes: an account, and who is meant within it where one account serves many, as at exchanges.
///
/// As text a `G…` address, or `M…` with the number inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Destination {
    /// Master key of the account.
    pub key: [u8; 32],
    /// The number of a user within the account (muxed account, CAP-0027).
    pub muxed: Option<u64>,
}

impl From<[u8; 32]> for Destination {
    fn from(key: [u8; 32]) -> Self {
        Self { key, muxed: None }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.muxed {
            None => PublicKey(self.key).fmt(f),
            Some(id) => MuxedAccount {
                ed25519: self.key,
                id,
            }
            .fmt(f),
        }
    }
}

impl FromStr for Destination {
    type Err = StellarError;

    /// Errors: [`StellarError::Address`] for anything but a `G…` or `M…` address.
    fn from_str(text: &str) -> Result<Self, StellarError> {
        if let Ok(MuxedAccount { ed25519, id }) = MuxedAccount::from_string(text) {
            return Ok(Self {
                key: ed25519,
                muxed: Some(id),
            });
        }
        PublicKey::from_string(text)
            .map(|key| key.0.into())
            .map_err(|_| StellarError::Address {
                text: text.to_owned(),
            })
    }
}

/// The `G…` address of the account whose master key is `key`.
pub fn address(key: &[u8; 32]) -> String {
    Destination::from(*key).to_string()
}

/// The ed25519 key behind a `G…` address.
///
/// Errors: [`StellarError::Address`] for anything else, muxed (`M…`) addresses included; see [`Destination`] for those.
pub fn key_of_address(text: &str) -> Result<[u8; 32], StellarError> {
    match text.parse() {
        Ok(Destination { key, muxed: None }) => Ok(key),
        _ => Err(StellarError::Address {
            text: text.to_owned(),
        }),
    }
}

/// The secret seed of an ed25519 key (RFC 8032) behind an `S…` text, as Stellar's wallets show it.
///
/// Errors: [`StellarError::Seed`], which does not repeat the text.
pub fn seed_of_secret(text: &str) -> Result<Zeroizing<[u8; 32]>, StellarError> {
    PrivateKey::from_string(text)
        .map(|key| Zeroizing::new(key.0))
        .map_err(|_| StellarError::Seed)
}
