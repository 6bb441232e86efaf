//! Money: integer minor units of a named asset.

use super::{Decimal, Rounding, ValueError, codec, mul_div};
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;
use std::fmt;

/// The name of an asset: 1 to 12 characters out of `A-Z` and `0-9`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize)]
pub struct AssetCode(String);

impl AssetCode {
    /// Takes a name. Errors: [`ValueError::Malformed`].
    pub fn new(code: &str) -> Result<Self, ValueError> {
        let known = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        if (1..=12).contains(&code.len()) && code.bytes().all(known) {
            return Ok(Self(code.to_owned()));
        }
        Err(ValueError::malformed(
            "an asset",
            code,
            "write 1 to 12 characters out of A-Z and 0-9, as in TFT",
        ))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AssetCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl BorshDeserialize for AssetCode {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let code = String::deserialize_reader(reader)?;
        Self::new(&code).map_err(|error| codec::refuse(&error.to_string()))
    }
}

/// A sum of money in minor units of its asset: with 7 decimals, 1 TFT is 10,000,000 units.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Amount {
    /// Minor units; negative for a debt or a correction.
    pub units: i64,
    /// What the units are of.
    pub asset: AssetCode,
}

impl Amount {
    /// Units of an asset.
    pub fn new(units: i64, asset: AssetCode) -> Self {
        Self { units, asset }
    }

    /// The sum. Errors: [`ValueError::AssetMismatch`], [`ValueError::Overflow`].
    pub fn checked_add(&self, other: &Self) -> Result<Self, ValueError> {
        self.same_asset(other)?;
        self.with(self.units.checked_add(other.units), "a sum of amounts")
    }

    /// The difference. Errors: [`ValueError::AssetMismatch`], [`ValueError::Overflow`].
    pub fn checked_sub(&self, other: &Self) -> Result<Self, ValueError> {
        self.same_asset(other)?;
        self.with(
            self.units.checked_sub(other.units),
            "a difference of amounts",
        )
    }

    /// The amount so many times. Errors: [`ValueError::Overflow`].
    pub fn checked_mul(&self, times: i64) -> Result<Self, ValueError> {
        self.with(self.units.checked_mul(times), "a multiple of an amount")
    }

    /// `self · b / c`, rounded once to whole units. Errors: [`ValueError::DivisionByZero`], [`ValueError::Overflow`].
    pub fn mul_div(&self, b: i128, c: i128, rounding: Rounding) -> Result<Self, ValueError> {
        let units = mul_div(i128::from(self.units), b, c, rounding)?;
        self.with(i64::try_from(units).ok(), "a share of an amount")
    }

    /// `self · factor`, rounded once to whole units. Errors: [`ValueError::Overflow`].
    pub fn scaled(&self, factor: Decimal, rounding: Rounding) -> Result<Self, ValueError> {
        self.mul_div(
            factor.mantissa(),
            10i128.pow(u32::from(factor.scale())),
            rounding,
        )
    }

    /// `percent` of the amount (35 means 35 %), rounded once to whole units. Errors: [`ValueError::Overflow`].
    pub fn percent(&self, percent: Decimal, rounding: Rounding) -> Result<Self, ValueError> {
        self.mul_div(
            percent.mantissa(),
            10i128.pow(u32::from(percent.scale()) + 2),
            rounding,
        )
    }

    /// Which of two amounts is larger. Errors: [`ValueError::AssetMismatch`].
    pub fn compare(&self, other: &Self) -> Result<std::cmp::Ordering, ValueError> {
        self.same_asset(other)?;
        Ok(self.units.cmp(&other.units))
    }

    fn same_asset(&self, other: &Self) -> Result<(), ValueError> {
        if self.asset == other.asset {
            return Ok(());
        }
        Err(ValueError::AssetMismatch {
            left: self.asset.clone(),
            right: other.asset.clone(),
        })
    }

    fn with(&self, units: Option<i64>, what: &str) -> Result<Self, ValueError> {
        let units = units.ok_or_else(|| ValueError::overflow(what))?;
        Ok(Self {
            units,
            asset: self.asset.clone(),
        })
    }
}

/// The assets that a circle knows, each with its number of decimals (at most 9).
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize)]
pub struct Assets(BTreeMap<AssetCode, u8>);

impl Assets {
    /// The most decimals that an asset may have: an i64 then still holds nine thousand million of it.
    pub const MAX_DECIMALS: u8 = 9;

    /// Takes a table of assets and decimals. Errors: [`ValueError::Overflow`] for more than 9 decimals.
    pub fn new(decimals: BTreeMap<AssetCode, u8>) -> Result<Self, ValueError> {
        match decimals
            .iter()
            .find(|(_, decimals)| **decimals > Self::MAX_DECIMALS)
        {
            Some((asset, decimals)) => Err(ValueError::overflow(format!(
                "an asset with {decimals} decimals ({asset})"
            ))),
            None => Ok(Self(decimals)),
        }
    }

    /// TFT and USDC with 7 decimals each, as on Stellar.
    pub fn standard() -> Self {
        Self(
            ["TFT", "USDC"]
                .map(|code| (AssetCode(code.to_owned()), 7))
                .into(),
        )
    }

    /// The decimals of an asset, if the circle knows it.
    pub fn decimals(&self, asset: &AssetCode) -> Option<u8> {
        self.0.get(asset).copied()
    }

    /// The assets in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&AssetCode, u8)> {
        self.0.iter().map(|(asset, decimals)| (asset, *decimals))
    }

    /// Reads `100 TFT` or `100TFT`.
    ///
    /// Errors: [`ValueError::Malformed`], [`ValueError::UnknownAsset`], [`ValueError::TooFine`], [`ValueError::Overflow`].
    pub fn parse_amount(&self, text: &str) -> Result<Amount, ValueError> {
        const MEND: &str = "write a number and an asset, as in '12.50 TFT'";
        let (number, asset) = match text.split_once(' ') {
            Some(parts) => parts,
            None => {
                let letter =
                    text.find(|character: char| !matches!(character, '0'..='9' | '.' | '-'));
                let letter =
                    letter.ok_or_else(|| ValueError::malformed("an amount", text, MEND))?;
                text.split_at(letter)
            }
        };
        let malformed = |_| ValueError::malformed("an amount", text, MEND);
        let asset = AssetCode::new(asset).map_err(malformed)?;
        let number = match Decimal::parse(number) {
            Err(ValueError::Malformed { mend, .. }) => {
                return Err(ValueError::malformed("an amount", text, mend));
            }
            other => other?,
        };
        let decimals = self.require(&asset)?;
        if number.scale() > decimals {
            return Err(ValueError::TooFine {
                text: text.to_owned(),
                asset,
                decimals,
            });
        }
        let units = number
            .units(decimals)
            .and_then(|units| i64::try_from(units).ok());
        let units = units
            .ok_or_else(|| ValueError::overflow(format!("`{}`", super::error::shorten(text))))?;
        Ok(Amount { units, asset })
    }

    /// The one way to write an amount: `12.5 TFT`. Errors: [`ValueError::UnknownAsset`].
    pub fn render_amount(&self, amount: &Amount) -> Result<String, ValueError> {
        Ok(format!("{} {}", self.to_decimal(amount)?, amount.asset))
    }

    /// The amount as a number of whole coins. Errors: [`ValueError::UnknownAsset`].
    pub fn to_decimal(&self, amount: &Amount) -> Result<Decimal, ValueError> {
        Decimal::new(i128::from(amount.units), self.require(&amount.asset)?)
    }

    /// The decimals of an asset. Errors: [`ValueError::UnknownAsset`].
    pub(crate) fn require(&self, asset: &AssetCode) -> Result<u8, ValueError> {
        self.decimals(asset).ok_or_else(|| {
            let known: Vec<&str> = self.0.keys().map(AssetCode::as_str).collect();
            ValueError::UnknownAsset {
                asset: asset.clone(),
                known: known.join(", "),
            }
        })
    }
}

impl BorshDeserialize for Assets {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let table = codec::read_sorted_map(
            reader,
            AssetCode::deserialize_reader,
            u8::deserialize_reader,
        )?;
        Self::new(table).map_err(|error| codec::refuse(&error.to_string()))
    }
}
