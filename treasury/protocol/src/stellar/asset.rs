//! What Stellar can pay with.

use borsh::{BorshDeserialize, BorshSerialize};
use stellar_xdr as xdr;

use super::StellarError;
use super::operation::{account, key_of_account};

/// XLM, or something that an account issues.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Asset {
    /// XLM.
    Native,
    /// A code and the account that issues it.
    Issued {
        /// Its code, for example TFT.
        code: AssetCode,
        /// Master key of the issuing account.
        issuer: [u8; 32],
    },
}

/// An asset code of 1 to 12 ASCII letters and digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize)]
pub struct AssetCode(String);

impl AssetCode {
    /// Checks and keeps a code. Errors: [`StellarError::AssetCode`].
    pub fn new(code: &str) -> Result<Self, StellarError> {
        let fits =
            (1..=12).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if fits {
            Ok(Self(code.to_owned()))
        } else {
            Err(StellarError::AssetCode {
                code: code.to_owned(),
            })
        }
    }

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl BorshDeserialize for AssetCode {
    fn deserialize_reader<R: borsh::io::Read>(reader: &mut R) -> borsh::io::Result<Self> {
        let code = String::deserialize_reader(reader)?;
        Self::new(&code).map_err(|error| {
            borsh::io::Error::new(borsh::io::ErrorKind::InvalidData, error.to_string())
        })
    }
}

pub(super) fn write(asset: &Asset) -> xdr::Asset {
    let Asset::Issued { code, issuer } = asset else {
        return xdr::Asset::Native;
    };
    let issuer = account(issuer);
    let code = code.as_str().as_bytes();
    if code.len() <= 4 {
        xdr::Asset::CreditAlphanum4(xdr::AlphaNum4 {
            asset_code: xdr::AssetCode4(padded(code)),
            issuer,
        })
    } else {
        xdr::Asset::CreditAlphanum12(xdr::AlphaNum12 {
            asset_code: xdr::AssetCode12(padded(code)),
            issuer,
        })
    }
}

pub(super) fn read(asset: &xdr::Asset) -> Result<Asset, StellarError> {
    let (code, issuer) = match asset {
        xdr::Asset::Native => return Ok(Asset::Native),
        xdr::Asset::CreditAlphanum4(asset) => (&asset.asset_code.0[..], &asset.issuer),
        xdr::Asset::CreditAlphanum12(asset) => (&asset.asset_code.0[..], &asset.issuer),
    };
    let end = code
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    Ok(Asset::Issued {
        code: AssetCode::new(&String::from_utf8_lossy(&code[..end]))?,
        issuer: key_of_account(issuer),
    })
}

/// Codes are padded with zero bytes at their end.
fn padded<const N: usize>(code: &[u8]) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..code.len()].copy_from_slice(code);
    bytes
}
