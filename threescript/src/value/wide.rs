//! Multiplication and division with a 256-bit intermediate, so that nothing is lost before the one rounding at the end.

use super::ValueError;
use ethnum::U256;

/// How a result that falls between two steps is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards negative infinity.
    Floor,
    /// To the nearest; a half goes away from zero.
    HalfUp,
    /// To the nearest; a half goes towards zero.
    HalfDown,
    /// To the nearest; a half goes to the even neighbour.
    HalfEven,
}

/// `a · b / c`, exact until the one rounding of the result.
///
/// Errors: [`ValueError::DivisionByZero`], [`ValueError::Overflow`] when the result does not fit.
///
/// ```
/// use threescript::value::{Rounding, mul_div};
/// assert_eq!(mul_div(i128::MAX, i128::MAX, i128::MAX, Rounding::Floor), Ok(i128::MAX));
/// assert_eq!(mul_div(-7, 1, 2, Rounding::Floor), Ok(-4));
/// assert_eq!(mul_div(-7, 1, 2, Rounding::HalfUp), Ok(-4));
/// assert_eq!(mul_div(-7, 1, 2, Rounding::HalfDown), Ok(-3));
/// assert_eq!(mul_div(5, 1, 2, Rounding::HalfEven), Ok(2));
/// ```
pub fn mul_div(a: i128, b: i128, c: i128, rounding: Rounding) -> Result<i128, ValueError> {
    let negative = (a < 0) ^ (b < 0) ^ (c < 0);
    let product = U256::from(a.unsigned_abs()) * U256::from(b.unsigned_abs());
    let magnitude = divide(product, U256::from(c.unsigned_abs()), negative, rounding)?;
    signed(magnitude, negative).ok_or_else(|| ValueError::overflow("the result of mul_div"))
}

/// `numerator / denominator` of magnitudes, rounded as a number of the given sign.
///
/// The denominator stays below 2^255, which every caller here keeps, so that doubling a remainder cannot overflow.
pub(crate) fn divide(
    numerator: U256,
    denominator: U256,
    negative: bool,
    rounding: Rounding,
) -> Result<U256, ValueError> {
    if denominator == U256::ZERO {
        return Err(ValueError::DivisionByZero);
    }
    let quotient = numerator / denominator;
    let remainder = numerator % denominator;
    if remainder == U256::ZERO {
        return Ok(quotient);
    }
    let twice = remainder * U256::from(2u8);
    let odd = quotient % U256::from(2u8) == U256::ONE;
    let away = match rounding {
        Rounding::Floor => negative,
        Rounding::HalfUp => twice >= denominator,
        Rounding::HalfDown => twice > denominator,
        Rounding::HalfEven => twice > denominator || (twice == denominator && odd),
    };
    // A remainder means that the denominator is at least 2, so the quotient is far from the largest number.
    Ok(if away { quotient + U256::ONE } else { quotient })
}

/// The signed number of a magnitude, if it fits.
pub(crate) fn signed(magnitude: U256, negative: bool) -> Option<i128> {
    let magnitude = u128::try_from(magnitude).ok()?;
    if negative {
        0i128.checked_sub_unsigned(magnitude)
    } else {
        i128::try_from(magnitude).ok()
    }
}

/// 10^exponent; `exponent` is at most 76.
pub(crate) fn power_of_ten(exponent: u32) -> U256 {
    U256::from(10u8).pow(exponent)
}
