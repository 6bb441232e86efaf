//! Fractions against those of another library, whose numbers have no bounds.

use super::ratio::Ratio;
use crate::value::{Decimal, Rounding, ValueError};
use num_rational::BigRational;
use proptest::prelude::*;
use std::cmp::Ordering;

/// A fraction here and there.
#[derive(Clone, Debug)]
struct Both(Ratio, BigRational);

fn big(number: i128) -> BigRational {
    BigRational::from_integer(number.into())
}

/// Whether a number in lowest terms fits into a fraction of 127 bits.
fn fits(number: &BigRational) -> bool {
    let bound = big(i128::MAX).to_integer();
    number.numer() <= &bound && number.numer() >= &-bound.clone() && number.denom() <= &bound
}

/// Numbers of all sizes, small ones and round ones more often.
fn number() -> impl Strategy<Value = i128> {
    prop_oneof![
        3 => -20..20i128,
        2 => any::<i64>().prop_map(i128::from),
        1 => -i128::MAX..=i128::MAX,
        1 => (0..38u32, -9..9i128).prop_map(|(power, digit)| 10i128.pow(power).saturating_mul(digit)),
        1 => (0..126u32).prop_map(|power| (1i128 << power) - 1),
    ]
}

fn fraction() -> impl Strategy<Value = Both> {
    (number(), number()).prop_map(|(a, b)| {
        let decimal = |number| Ratio::of_decimal(Decimal::new(number, 0).unwrap(), 0);
        let below = if b == 0 { 1 } else { b };
        // With another sign or size a quotient may still not fit: i128::MIN is no decimal.
        let ratio = decimal(a).divide(decimal(below), &mut 0).unwrap();
        Both(ratio, BigRational::new(a.into(), below.into()))
    })
}

fn roundings() -> impl Strategy<Value = Rounding> {
    prop_oneof![
        Just(Rounding::Floor),
        Just(Rounding::HalfUp),
        Just(Rounding::HalfDown),
        Just(Rounding::HalfEven)
    ]
}

/// The other library's rounding to whole numbers, by its own means.
fn rounded(number: &BigRational, rounding: Rounding) -> BigRational {
    let floor = number.floor();
    let half = BigRational::new(1.into(), 2.into());
    let up = floor.clone() + big(1);
    match ((number - &floor).cmp(&half), rounding) {
        (_, Rounding::Floor) | (Ordering::Less, _) => floor,
        (Ordering::Greater, _) => up,
        (Ordering::Equal, Rounding::HalfUp) if *number < big(0) => floor,
        (Ordering::Equal, Rounding::HalfUp) => up,
        (Ordering::Equal, Rounding::HalfDown) if *number < big(0) => up,
        (Ordering::Equal, Rounding::HalfDown) => floor,
        (Ordering::Equal, Rounding::HalfEven) => match (&floor / big(2)).is_integer() {
            true => floor,
            false => up,
        },
    }
}

/// The result is the number if it fits, and an overflow if not.
fn agree(result: Result<Ratio, ValueError>, expected: &BigRational) -> Result<(), TestCaseError> {
    match result {
        Ok(ratio) => {
            prop_assert_eq!(to_big(ratio), expected.clone());
            prop_assert!(fits(expected), "{} does not fit", expected);
        }
        Err(error) => {
            prop_assert_eq!(error.code(), "overflow");
            prop_assert!(!fits(expected), "{} fits", expected);
        }
    }
    Ok(())
}

fn to_big(ratio: Ratio) -> BigRational {
    let (numerator, denominator) = ratio.parts();
    BigRational::new(numerator.into(), denominator.into())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn arithmetic_is_exact_or_overflows(a in fraction(), b in fraction()) {
        let Both(a, big_a) = a;
        let Both(b, big_b) = b;
        agree(a.add(b, &mut 0), &(&big_a + &big_b))?;
        agree(a.subtract(b, &mut 0), &(&big_a - &big_b))?;
        agree(a.multiply(b, &mut 0), &(&big_a * &big_b))?;
        prop_assert_eq!(a.compare(b, &mut 0), big_a.cmp(&big_b));
        if big_b == big(0) {
            prop_assert_eq!(a.divide(b, &mut 0).unwrap_err(), ValueError::DivisionByZero);
        } else {
            agree(a.divide(b, &mut 0), &(&big_a / &big_b))?;
        }
    }

    // What was not reduced on the way must not overflow where the number would fit.
    #[test]
    fn long_chains_are_exact_or_overflow(parts in proptest::collection::vec((fraction(), 0..4u8), 1..12)) {
        let (mut sum, mut expected) = (Ratio::whole(1), big(1));
        for (Both(part, big_part), operator) in parts {
            let (result, exact) = match operator {
                0 => (sum.add(part, &mut 0), &expected + &big_part),
                1 => (sum.subtract(part, &mut 0), &expected - &big_part),
                2 => (sum.multiply(part, &mut 0), &expected * &big_part),
                _ if big_part == big(0) => continue,
                _ => (sum.divide(part, &mut 0), &expected / &big_part),
            };
            agree(result.clone(), &exact)?;
            match result {
                Ok(ratio) => (sum, expected) = (ratio, exact),
                Err(_) => break,
            }
        }
    }

    #[test]
    fn rounding_goes_to_the_named_side(number in fraction(), decimals in 0..=18u8, rounding in roundings()) {
        let Both(number, exact) = number;
        let power = big(10i128.pow(u32::from(decimals)));
        let expected = rounded(&(&exact * &power), rounding) / &power;
        match number.round(decimals, rounding) {
            Ok(ratio) => prop_assert_eq!(to_big(ratio), expected),
            Err(error) => {
                prop_assert_eq!(error.code(), "overflow");
                let digits = (expected * power).to_integer();
                prop_assert!(digits > i128::MAX.into() || digits < (-i128::MAX).into());
            }
        }
    }

    #[test]
    fn only_exact_numbers_become_ints_and_decimals(number in fraction()) {
        let Both(number, exact) = number;
        match number.to_int("an int") {
            Ok(int) => prop_assert_eq!(big(int.into()), exact.clone()),
            Err(ValueError::Inexact { .. }) => prop_assert!(!exact.is_integer()),
            Err(_) => prop_assert!(exact > big(i64::MAX.into()) || exact < big(i64::MIN.into())),
        }
        let power = big(10i128.pow(18));
        match number.to_decimal("a decimal") {
            Ok(decimal) => {
                let scale = big(10i128.pow(u32::from(decimal.scale())));
                prop_assert_eq!(big(decimal.mantissa()) / scale, exact);
            }
            Err(ValueError::Inexact { .. }) => prop_assert!(!(exact * power).is_integer()),
            Err(_) => prop_assert!((&exact * &power).is_integer() && !fits(&(exact * power))),
        }
    }
}
