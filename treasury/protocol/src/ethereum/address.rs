//! Addresses: 20 bytes, written with the checksum of EIP-55.

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

use super::EthereumError;

/// An account or a contract. As text it has one form only, the one with the checksum of EIP-55.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Address(pub [u8; 20]);

impl Address {
    /// The address that nobody has.
    pub const ZERO: Self = Self([0; 20]);

    /// The last 20 bytes of a keccak hash, which is how addresses come about.
    pub(super) fn of_hash(hash: [u8; 32]) -> Self {
        let [
            ..,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            i,
            j,
            k,
            l,
            m,
            n,
            o,
            p,
            q,
            r,
            s,
            t,
        ] = hash;
        Self([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t])
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = alloy_primitives::Address::from(*self);
        formatter.write_str(&address.to_checksum(None))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Address {
    type Err = EthereumError;

    /// Errors: [`EthereumError::Address`], and [`EthereumError::Checksum`] also for text that carries no checksum at
    /// all: one address has one text, and a mistyped one is noticed.
    fn from_str(text: &str) -> Result<Self, EthereumError> {
        let refused = || EthereumError::Address {
            text: text.to_owned(),
        };
        let digits = text.strip_prefix("0x").ok_or_else(refused)?;
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| refused())?;
        let address = Self(bytes);
        if address.to_string() == text {
            Ok(address)
        } else {
            Err(EthereumError::Checksum {
                text: text.to_owned(),
                checked: address,
            })
        }
    }
}

impl From<Address> for alloy_primitives::Address {
    fn from(address: Address) -> Self {
        Self::new(address.0)
    }
}

impl From<alloy_primitives::Address> for Address {
    fn from(address: alloy_primitives::Address) -> Self {
        Self(address.into_array())
    }
}
