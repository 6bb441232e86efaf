//! Exact fractions, bounded: what formulas compute with.

use crate::value::{Decimal, Rounding, ValueError, divide, power_of_ten, signed};
use ethnum::{I256, U256};
use std::cmp::Ordering;

/// A fraction of two numbers of 127 bits.
///
/// It need not be in lowest terms: that costs time and is done only where a step would not fit otherwise. Whether a step
/// overflows does not depend on it: it does exactly when its result in lowest terms does not fit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ratio {
    /// Never `i128::MIN`.
    numerator: i128,
    /// Above 0.
    denominator: i128,
}

/// The steps that needed more than 128 bits. They take longer, and are charged.
pub(crate) type WideSteps = u64;

impl Ratio {
    /// A whole number.
    pub fn whole(number: i64) -> Self {
        Self {
            numerator: i128::from(number),
            denominator: 1,
        }
    }

    /// A decimal times `10^-shift`.
    pub fn of_decimal(decimal: Decimal, shift: u32) -> Self {
        Self::of_digits(decimal.mantissa(), u32::from(decimal.scale()) + shift)
    }

    /// `digits · 10^-scale`; the scale is at most 38, and the digits are not `i128::MIN`.
    pub fn of_digits(digits: i128, scale: u32) -> Self {
        Self {
            numerator: digits,
            denominator: 10i128.pow(scale),
        }
    }

    pub fn negated(self) -> Self {
        Self {
            numerator: -self.numerator,
            ..self
        }
    }

    pub fn absolute(self) -> Self {
        Self {
            numerator: self.numerator.abs(),
            ..self
        }
    }

    /// Errors: [`ValueError::Overflow`].
    pub fn add(self, other: Self, wide: &mut WideSteps) -> Result<Self, ValueError> {
        let narrow = if self.denominator == other.denominator {
            Self::checked(
                self.numerator.checked_add(other.numerator),
                Some(self.denominator),
            )
        } else {
            let left = self.numerator.checked_mul(other.denominator);
            let right = other.numerator.checked_mul(self.denominator);
            let sum = left.zip(right).and_then(|(a, b)| a.checked_add(b));
            Self::checked(sum, self.denominator.checked_mul(other.denominator))
        };
        if let Some(sum) = narrow {
            return Ok(sum);
        }
        *wide += 1;
        let (a, b) = (self.reduced(), other.reduced());
        // Both products are below 2^254, so their sum fits.
        let numerator = I256::from(a.numerator) * I256::from(b.denominator)
            + I256::from(b.numerator) * I256::from(a.denominator);
        let denominator =
            U256::from(a.denominator.unsigned_abs()) * U256::from(b.denominator.unsigned_abs());
        let divisor = gcd(numerator.unsigned_abs(), denominator);
        let magnitude = numerator.unsigned_abs() / divisor;
        let numerator = signed(magnitude, numerator.is_negative());
        let denominator = signed(denominator / divisor, false);
        Self::checked(numerator, denominator).ok_or_else(|| ValueError::overflow("a sum"))
    }

    /// Errors: [`ValueError::Overflow`].
    pub fn subtract(self, other: Self, wide: &mut WideSteps) -> Result<Self, ValueError> {
        self.add(other.negated(), wide)
    }

    /// Errors: [`ValueError::Overflow`].
    pub fn multiply(self, other: Self, wide: &mut WideSteps) -> Result<Self, ValueError> {
        let product = |a: Self, b: Self| {
            Self::checked(
                a.numerator.checked_mul(b.numerator),
                a.denominator.checked_mul(b.denominator),
            )
        };
        if let Some(product) = product(self, other) {
            return Ok(product);
        }
        *wide += 1;
        let (a, b) = (self.reduced(), other.reduced());
        // Crosswise in lowest terms, the product is so too.
        let across = Self {
            numerator: a.numerator,
            denominator: b.denominator,
        };
        let down = Self {
            numerator: b.numerator,
            denominator: a.denominator,
        };
        product(across.reduced(), down.reduced()).ok_or_else(|| ValueError::overflow("a product"))
    }

    /// Errors: [`ValueError::DivisionByZero`], [`ValueError::Overflow`].
    pub fn divide(self, other: Self, wide: &mut WideSteps) -> Result<Self, ValueError> {
        if other.numerator == 0 {
            return Err(ValueError::DivisionByZero);
        }
        let turned = Self {
            numerator: other.denominator * other.numerator.signum(),
            denominator: other.numerator.abs(),
        };
        self.multiply(turned, wide)
    }

    pub fn compare(self, other: Self, wide: &mut WideSteps) -> Ordering {
        if self.denominator == other.denominator {
            return self.numerator.cmp(&other.numerator);
        }
        let left = self.numerator.checked_mul(other.denominator);
        let right = other.numerator.checked_mul(self.denominator);
        if let Some((left, right)) = left.zip(right) {
            return left.cmp(&right);
        }
        *wide += 1;
        let left = I256::from(self.numerator) * I256::from(other.denominator);
        left.cmp(&(I256::from(other.numerator) * I256::from(self.denominator)))
    }

    /// The nearest number with so many decimals, 18 at most. Errors: [`ValueError::Overflow`].
    pub fn round(self, decimals: u8, rounding: Rounding) -> Result<Self, ValueError> {
        let power = 10i128.pow(u32::from(decimals));
        if power % self.denominator == 0 {
            return Ok(self);
        }
        let numerator = self.units(decimals, rounding)?;
        Ok(Self {
            numerator,
            denominator: power,
        })
    }

    /// The digits of the nearest number with so many decimals. Errors: [`ValueError::Overflow`].
    fn units(self, decimals: u8, rounding: Rounding) -> Result<i128, ValueError> {
        let overflow = || ValueError::overflow("a rounded number");
        let negative = self.numerator < 0;
        let power = 10i128.pow(u32::from(decimals));
        // The quick way, for what fits into 126 bits.
        if let Some(numerator) = self.numerator.checked_mul(power)
            && self.denominator < i128::MAX / 2
        {
            let quotient = numerator.div_euclid(self.denominator);
            let remainder = numerator.rem_euclid(self.denominator);
            let order = (2 * remainder).cmp(&self.denominator);
            let up = match rounding {
                Rounding::Floor => false,
                // Counted from below, a half goes up if that is away from zero.
                Rounding::HalfUp => order.is_gt() || (order.is_eq() && !negative),
                Rounding::HalfDown => order.is_gt() || (order.is_eq() && negative),
                Rounding::HalfEven => order.is_gt() || (order.is_eq() && quotient % 2 != 0),
            };
            let rounded = quotient.checked_add(i128::from(up));
            return rounded
                .filter(|units| *units != i128::MIN)
                .ok_or_else(overflow);
        }
        // Below 2^127 · 10^18 < 2^187.
        let numerator =
            U256::from(self.numerator.unsigned_abs()) * power_of_ten(u32::from(decimals));
        let denominator = U256::from(self.denominator.unsigned_abs());
        let magnitude = divide(numerator, denominator, negative, rounding)?;
        signed(magnitude, negative)
            .filter(|units| *units != i128::MIN)
            .ok_or_else(overflow)
    }

    /// The whole number, if it is one that an int can hold.
    ///
    /// Errors: [`ValueError::Inexact`], [`ValueError::Overflow`].
    pub fn to_int(self, what: &'static str) -> Result<i64, ValueError> {
        if self.numerator % self.denominator != 0 {
            return Err(ValueError::Inexact { operation: what });
        }
        i64::try_from(self.numerator / self.denominator).map_err(|_| ValueError::overflow(what))
    }

    /// The decimal, if it has at most 18 decimals.
    ///
    /// Errors: [`ValueError::Inexact`], [`ValueError::Overflow`].
    pub fn to_decimal(self, what: &'static str) -> Result<Decimal, ValueError> {
        let tried = self.exact_decimal();
        tried
            .or_else(|| self.reduced().exact_decimal())
            .ok_or_else(|| match self.reduced().has_decimal_denominator() {
                true => ValueError::overflow(what),
                false => ValueError::Inexact { operation: what },
            })
    }

    fn has_decimal_denominator(self) -> bool {
        10i128.pow(u32::from(Decimal::MAX_SCALE)) % self.denominator == 0
    }

    fn exact_decimal(self) -> Option<Decimal> {
        if !self.has_decimal_denominator() {
            return None;
        }
        // With as few decimals as it takes, so that what fits is not lost to decimals that are zero.
        let scale = (0..=Decimal::MAX_SCALE)
            .find(|scale| 10i128.pow(u32::from(*scale)) % self.denominator == 0)?;
        let factor = 10i128.pow(u32::from(scale)) / self.denominator;
        Decimal::new(self.numerator.checked_mul(factor)?, scale).ok()
    }

    /// Numerator and denominator as they are.
    #[cfg(test)]
    pub fn parts(self) -> (i128, i128) {
        (self.numerator, self.denominator)
    }

    /// The same number in lowest terms.
    fn reduced(self) -> Self {
        let divisor = narrow_gcd(
            self.numerator.unsigned_abs(),
            self.denominator.unsigned_abs(),
        );
        // At least 1 and at most the denominator, which an i128 holds.
        let divisor = divisor as i128;
        Self {
            numerator: self.numerator / divisor,
            denominator: self.denominator / divisor,
        }
    }

    fn checked(numerator: Option<i128>, denominator: Option<i128>) -> Option<Self> {
        let numerator = numerator.filter(|number| *number != i128::MIN)?;
        Some(Self {
            numerator,
            denominator: denominator?,
        })
    }
}

/// The greatest common divisor; the second is not 0. By halving and subtracting, whose time is bounded by the bits.
fn gcd(mut a: U256, mut b: U256) -> U256 {
    if a == U256::ZERO {
        return b;
    }
    let shift = a.trailing_zeros().min(b.trailing_zeros());
    a >>= a.trailing_zeros();
    while b != U256::ZERO {
        b >>= b.trailing_zeros();
        if let (Ok(a), Ok(b)) = (u128::try_from(a), u128::try_from(b)) {
            return U256::from(narrow_gcd(a, b)) << shift;
        }
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        b -= a;
    }
    a << shift
}

fn narrow_gcd(mut a: u128, mut b: u128) -> u128 {
    if a == 0 || b == 0 {
        return a | b;
    }
    let shift = (a | b).trailing_zeros();
    a >>= a.trailing_zeros();
    while b != 0 {
        b >>= b.trailing_zeros();
        if a > b {
            std::mem::swap(&mut a, &mut b);
        }
        b -= a;
    }
    a << shift
}
