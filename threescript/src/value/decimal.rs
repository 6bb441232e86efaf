//! Exact decimal numbers.

use super::wide::{divide, power_of_ten, signed};
use super::{Rounding, ValueError};
use ethnum::{I256, U256};
use std::cmp::Ordering;
use std::fmt;

/// An exact decimal: `mantissa · 10^-scale`, at most 38 digits of which at most 18 are decimals.
///
/// Always normalised (no trailing zero after the point, zero has scale 0, the mantissa is never `i128::MIN`), so equal
/// numbers are equal bytes. Operations are exact or fail; only those that take a [`Rounding`] round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, borsh::BorshSerialize)]
pub struct Decimal {
    mantissa: i128,
    scale: u8,
}

impl Decimal {
    /// The most decimals that a number has.
    pub const MAX_SCALE: u8 = 18;
    /// Zero.
    pub const ZERO: Self = Self {
        mantissa: 0,
        scale: 0,
    };

    /// `mantissa · 10^-scale`, normalised.
    ///
    /// Errors: [`ValueError::Inexact`] when more than 18 decimals remain, [`ValueError::Overflow`] for `i128::MIN`.
    pub fn new(mantissa: i128, scale: u8) -> Result<Self, ValueError> {
        Self::from_wide(I256::from(mantissa), u32::from(scale), "a decimal")
    }

    /// The digits without the point.
    pub fn mantissa(&self) -> i128 {
        self.mantissa
    }

    /// How many of the digits are decimals.
    pub fn scale(&self) -> u8 {
        self.scale
    }

    /// Reads `12.50`, `-3`: an optional sign, no leading zero, no exponent, a digit on both sides of a point.
    ///
    /// Errors: [`ValueError::Malformed`], [`ValueError::Overflow`].
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        let malformed = |mend: &str| Err(ValueError::malformed("a decimal", text, mend));
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((_, "")) => return malformed("write digits after the point, as in 12.50"),
            Some((whole, fraction)) => (whole, fraction),
            None => (digits, ""),
        };
        let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return malformed("write digits with at most one point, as in 12.50");
        }
        if whole.len() > 1 && whole.starts_with('0') {
            return malformed("leave out the leading zeros");
        }
        let fraction = fraction.trim_end_matches('0');
        if fraction.len() > usize::from(Self::MAX_SCALE) {
            return malformed("write at most 18 decimals");
        }
        let mut mantissa: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa
                .checked_mul(10)
                .and_then(|shifted| shifted.checked_add(i128::from(byte - b'0')))
                .ok_or_else(|| {
                    ValueError::overflow(format!("`{}`", super::error::shorten(text)))
                })?;
        }
        if negative && mantissa == 0 {
            return malformed("write zero without a sign");
        }
        let mantissa = if negative { -mantissa } else { mantissa };
        Self::new(mantissa, fraction.len() as u8)
    }

    /// The sum. Errors: [`ValueError::Overflow`].
    pub fn checked_add(self, other: Self) -> Result<Self, ValueError> {
        let scale = self.scale.max(other.scale);
        // Both are below 2^127 · 10^18 < 2^187, so neither the alignment nor the sum can overflow 256 bits.
        Self::from_wide(
            self.aligned(scale) + other.aligned(scale),
            u32::from(scale),
            "a decimal sum",
        )
    }

    /// The difference. Errors: [`ValueError::Overflow`].
    pub fn checked_sub(self, other: Self) -> Result<Self, ValueError> {
        self.checked_add(other.negated())
    }

    /// The product. Errors: [`ValueError::Overflow`]; [`ValueError::Inexact`] when it has more than 18 decimals.
    pub fn checked_mul(self, other: Self) -> Result<Self, ValueError> {
        let product = I256::from(self.mantissa) * I256::from(other.mantissa);
        Self::from_wide(
            product,
            u32::from(self.scale) + u32::from(other.scale),
            "a decimal product",
        )
    }

    /// The number with its sign turned.
    pub fn negated(self) -> Self {
        // The mantissa is never i128::MIN.
        Self {
            mantissa: -self.mantissa,
            scale: self.scale,
        }
    }

    /// `a · b / c` with at most `decimals` decimals (18 at most), exact until the one rounding of the result.
    ///
    /// Errors: [`ValueError::DivisionByZero`]; [`ValueError::Overflow`] when the digits of the result, counted with
    /// all `decimals` decimals, do not fit into 127 bits.
    ///
    /// ```
    /// use threescript::value::{Decimal, Rounding};
    /// let [one, three] = [Decimal::from(1), Decimal::from(3)];
    /// assert_eq!(Decimal::mul_div(one, one, three, 4, Rounding::Floor)?.to_string(), "0.3333");
    /// # Ok::<(), threescript::value::ValueError>(())
    /// ```
    pub fn mul_div(
        a: Self,
        b: Self,
        c: Self,
        decimals: u8,
        rounding: Rounding,
    ) -> Result<Self, ValueError> {
        let overflow = || ValueError::overflow("the result of mul_div");
        let decimals = decimals.min(Self::MAX_SCALE);
        let negative = (a.mantissa < 0) ^ (b.mantissa < 0) ^ (c.mantissa < 0);
        let mut numerator =
            U256::from(a.mantissa.unsigned_abs()) * U256::from(b.mantissa.unsigned_abs());
        let mut denominator = U256::from(c.mantissa.unsigned_abs());
        let raise = u32::from(decimals) + u32::from(c.scale);
        let lower = u32::from(a.scale) + u32::from(b.scale);
        if raise >= lower {
            // If this overflows, the result does too: c is below 2^127.
            numerator = numerator
                .checked_mul(power_of_ten(raise - lower))
                .ok_or_else(overflow)?;
        } else {
            // Below 2^127 · 10^36 < 2^247.
            denominator *= power_of_ten(lower - raise);
        }
        let magnitude = divide(numerator, denominator, negative, rounding)?;
        Self::new(signed(magnitude, negative).ok_or_else(overflow)?, decimals)
    }

    /// The number with at most `decimals` decimals. Errors: [`ValueError::Overflow`], only for numbers near the limit.
    pub fn round(self, decimals: u8, rounding: Rounding) -> Result<Self, ValueError> {
        if self.scale <= decimals {
            return Ok(self);
        }
        Self::mul_div(self, Self::from(1), Self::from(1), decimals, rounding)
    }

    /// The digits of the number with exactly `decimals` decimals, `None` if it has more or they do not fit.
    pub fn units(self, decimals: u8) -> Option<i128> {
        let missing = decimals.checked_sub(self.scale)?;
        self.mantissa
            .checked_mul(10i128.checked_pow(u32::from(missing))?)
    }

    fn aligned(self, scale: u8) -> I256 {
        I256::from(self.mantissa) * I256::from(10).pow(u32::from(scale - self.scale))
    }

    fn from_wide(
        mut mantissa: I256,
        mut scale: u32,
        operation: &'static str,
    ) -> Result<Self, ValueError> {
        let ten = I256::from(10);
        while scale > 0 && mantissa % ten == I256::ZERO {
            mantissa /= ten;
            scale -= 1;
        }
        let scale = u8::try_from(scale)
            .ok()
            .filter(|scale| *scale <= Self::MAX_SCALE);
        let scale = scale.ok_or(ValueError::Inexact { operation })?;
        match i128::try_from(mantissa) {
            Ok(mantissa) if mantissa != i128::MIN => Ok(Self { mantissa, scale }),
            _ => Err(ValueError::overflow(operation)),
        }
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self {
            mantissa: i128::from(value),
            scale: 0,
        }
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.aligned(scale).cmp(&other.aligned(scale))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.mantissa < 0 { "-" } else { "" };
        let digits = self.mantissa.unsigned_abs();
        if self.scale == 0 {
            return write!(formatter, "{sign}{digits}");
        }
        let one = 10u128.pow(u32::from(self.scale));
        write!(
            formatter,
            "{sign}{}.{:0width$}",
            digits / one,
            digits % one,
            width = usize::from(self.scale)
        )
    }
}

impl borsh::BorshDeserialize for Decimal {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let mantissa = i128::deserialize_reader(reader)?;
        let scale = u8::deserialize_reader(reader)?;
        match Self::new(mantissa, scale) {
            Ok(decimal) if decimal.scale == scale => Ok(decimal),
            _ => Err(super::codec::refuse(
                "a decimal that is not in its one normal form",
            )),
        }
    }
}
