//! Operators: exact, checked, and strict about types. What has no exact result is an error.

use super::error::Raised;
use super::meter::Meter;
use super::values::{Special, View, kind, read_map, render, view};
use crate::value::{Assets, Decimal, ValueError};
use rhai::{Array, Dynamic, Map};
use std::cmp::Ordering;

/// Applies an operator to two values.
///
/// Errors: `type`, `overflow`, `division_by_zero`, `asset_mismatch`, `inexact`, `limit.…`.
pub(crate) fn binary(
    operator: &str,
    a: &Dynamic,
    b: &Dynamic,
    assets: &Assets,
    meter: &Meter,
) -> Result<Dynamic, Raised> {
    match operator {
        "==" => equal(a, b, meter).map(Dynamic::from),
        "!=" => equal(a, b, meter).map(|equal| Dynamic::from(!equal)),
        "<" => compare(a, b).map(|order| order.is_lt().into()),
        "<=" => compare(a, b).map(|order| order.is_le().into()),
        ">" => compare(a, b).map(|order| order.is_gt().into()),
        ">=" => compare(a, b).map(|order| order.is_ge().into()),
        _ => arithmetic(operator, a, b, assets, meter),
    }
}

fn arithmetic(
    operator: &str,
    a: &Dynamic,
    b: &Dynamic,
    assets: &Assets,
    meter: &Meter,
) -> Result<Dynamic, Raised> {
    use Special::*;
    let special = |special: Special| Ok(Dynamic::from(special));
    let no_fit = || {
        let rounds = |value: &Dynamic| {
            matches!(
                view(value),
                View::Special(Decimal(_) | Amount(_) | Percent(_))
            )
        };
        let mend = match matches!(operator, "/" | "*") && (rounds(a) || rounds(b)) {
            true => {
                "name the rounding: a.times(b, \"half_up\"), a.div(b, 6, \"half_up\") or mul_div(a, b, c, \"half_up\")"
            }
            false => "",
        };
        Raised::new(
            "type",
            format!("{} {operator} {} has no meaning", kind(a), kind(b)),
            mend,
        )
    };
    match (view(a), operator, view(b)) {
        (View::Int(a), operator, View::Int(b)) => int(operator, a, b).map(Dynamic::from),
        (View::Bool(a), "&", View::Bool(b)) => Ok((a & b).into()),
        (View::Bool(a), "|", View::Bool(b)) => Ok((a | b).into()),
        (View::Bool(a), "^", View::Bool(b)) => Ok((a ^ b).into()),

        (View::Text(_), "+", View::Text(_) | View::Int(_) | View::Special(_))
        | (View::Int(_) | View::Special(_), "+", View::Text(_)) => {
            let (left, right) = (
                render(a, assets).ok_or_else(no_fit)?,
                render(b, assets).ok_or_else(no_fit)?,
            );
            meter.text(left.len() + right.len())?;
            Ok((left + right.as_str()).into())
        }
        (View::List, "+", View::List) => match (a.read_lock::<Array>(), b.read_lock::<Array>()) {
            (Some(left), Some(right)) => {
                meter.list(left.len() + right.len())?;
                Ok(left
                    .iter()
                    .chain(right.iter())
                    .cloned()
                    .collect::<Array>()
                    .into())
            }
            _ => Err(no_fit()),
        },

        (View::Special(Decimal(a)), operator, View::Special(Decimal(b))) => {
            decimal(operator, a, b).ok_or_else(no_fit)?
        }
        (View::Special(Decimal(a)), operator, View::Int(b)) => {
            decimal(operator, a, b.into()).ok_or_else(no_fit)?
        }
        (View::Int(a), operator, View::Special(Decimal(b))) => {
            decimal(operator, a.into(), b).ok_or_else(no_fit)?
        }

        (View::Special(Percent(a)), "+", View::Special(Percent(b))) => {
            special(Percent(a.checked_add(b)?))
        }
        (View::Special(Percent(a)), "-", View::Special(Percent(b))) => {
            special(Percent(a.checked_sub(b)?))
        }
        (View::Special(Percent(a)), "*", View::Int(b))
        | (View::Int(b), "*", View::Special(Percent(a))) => {
            special(Percent(a.checked_mul(b.into())?))
        }

        (View::Special(Amount(a)), "+", View::Special(Amount(b))) => {
            special(Amount(a.checked_add(&b)?))
        }
        (View::Special(Amount(a)), "-", View::Special(Amount(b))) => {
            special(Amount(a.checked_sub(&b)?))
        }
        (View::Special(Amount(a)), "*", View::Int(b))
        | (View::Int(b), "*", View::Special(Amount(a))) => special(Amount(a.checked_mul(b)?)),

        (View::Special(Duration(a)), "*", View::Int(b))
        | (View::Int(b), "*", View::Special(Duration(a))) => special(Duration(int("*", a, b)?)),
        (View::Special(Duration(a)), "/", View::Int(b)) => special(Duration(int("/", a, b)?)),
        (View::Special(Duration(a)), "/", View::Special(Duration(b))) => {
            int("/", a, b).map(Dynamic::from)
        }
        (View::Special(Duration(a)), "+" | "-" | "%", View::Special(Duration(b))) => {
            special(Duration(int(operator, a, b)?))
        }
        (View::Special(Time(a)), "+" | "-", View::Special(Duration(b))) => {
            special(Time(int(operator, a, b)?))
        }
        (View::Special(Duration(a)), "+", View::Special(Time(b))) => special(Time(int("+", a, b)?)),
        (View::Special(Time(a)), "-", View::Special(Time(b))) => special(Duration(int("-", a, b)?)),

        _ => Err(no_fit()),
    }
}

fn decimal(operator: &str, a: Decimal, b: Decimal) -> Option<Result<Dynamic, Raised>> {
    let result = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        _ => return None,
    };
    Some(
        result
            .map(|number| Special::Decimal(number).into())
            .map_err(Raised::from),
    )
}

/// Integers: checked. `/` and `%` round towards zero, as in most languages.
pub(crate) fn int(operator: &str, a: i64, b: i64) -> Result<i64, Raised> {
    let overflow = || {
        Raised::new(
            "overflow",
            format!("{a} {operator} {b} does not fit into an int"),
            "use smaller numbers",
        )
    };
    let result = match operator {
        "+" => a.checked_add(b),
        "-" => a.checked_sub(b),
        "*" => a.checked_mul(b),
        "/" | "%" if b == 0 => return Err(ValueError::DivisionByZero.into()),
        "/" => a.checked_div(b),
        "%" => a.checked_rem(b),
        "**" => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        "<<" => u32::try_from(b)
            .ok()
            .filter(|b| *b < 64)
            .and_then(|b| a.checked_mul(1i64.checked_shl(b).filter(|power| *power > 0)?)),
        ">>" => u32::try_from(b).ok().and_then(|b| a.checked_shr(b)),
        "&" => Some(a & b),
        "|" => Some(a | b),
        "^" => Some(a ^ b),
        _ => {
            return Err(Raised::type_error(format!(
                "int {operator} int has no meaning"
            )));
        }
    };
    result.ok_or_else(overflow)
}

/// `-x` and `!x`.
pub(crate) fn unary(operator: &str, a: &Dynamic) -> Result<Dynamic, Raised> {
    use Special::*;
    match (operator, view(a)) {
        ("!", View::Bool(flag)) => Ok((!flag).into()),
        ("+", View::Int(number)) => Ok(number.into()),
        ("-", View::Int(number)) => int("-", 0, number).map(Dynamic::from),
        ("-", View::Special(Decimal(number))) => Ok(Decimal(number.negated()).into()),
        ("-", View::Special(Percent(number))) => Ok(Percent(number.negated()).into()),
        ("-", View::Special(Duration(seconds))) => Ok(Duration(int("-", 0, seconds)?).into()),
        ("-", View::Special(Amount(amount))) => Ok(Amount(amount.checked_mul(-1)?).into()),
        _ => Err(Raised::type_error(format!(
            "{operator}{} has no meaning",
            kind(a)
        ))),
    }
}

/// Whether two values are equal. Nothing, `()`, equals only itself and may be compared with anything; otherwise kinds
/// that cannot be compared are an error and not simply unequal, because that is nearly always a mistake.
pub(crate) fn equal(a: &Dynamic, b: &Dynamic, meter: &Meter) -> Result<bool, Raised> {
    match (view(a), view(b)) {
        (View::Unit, View::Unit) => Ok(true),
        (View::Unit, _) | (_, View::Unit) => Ok(false),
        (View::Bool(a), View::Bool(b)) => Ok(a == b),
        (View::Special(Special::Bytes(a)), View::Special(Special::Bytes(b))) => {
            meter.charge(a.len() as u64 / 512)?;
            Ok(a == b)
        }
        (View::Special(Special::Script(a)), View::Special(Special::Script(b))) => Ok(a == b),
        (View::List, View::List) => match (a.read_lock::<Array>(), b.read_lock::<Array>()) {
            (Some(a), Some(b)) if a.len() == b.len() => {
                meter.charge(a.len() as u64)?;
                for (a, b) in a.iter().zip(b.iter()) {
                    if !equal(a, b, meter)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(false),
        },
        (View::Map, View::Map) => {
            let equal = read_map(a, |a| read_map(b, |b| equal_maps(a, b, meter)));
            equal.flatten().unwrap_or(Ok(false))
        }
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

fn equal_maps(a: &Map, b: &Map, meter: &Meter) -> Result<bool, Raised> {
    if a.len() != b.len() {
        return Ok(false);
    }
    meter.charge(a.len() as u64)?;
    for ((name, a), (other, b)) in a.iter().zip(b.iter()) {
        if name != other || !equal(a, b, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The order of two values of kinds that have one.
pub(crate) fn compare(a: &Dynamic, b: &Dynamic) -> Result<Ordering, Raised> {
    use Special::*;
    match (view(a), view(b)) {
        (View::Int(a), View::Int(b)) => Ok(a.cmp(&b)),
        (View::Text(a), View::Text(b)) => Ok(a.as_str().cmp(b.as_str())),
        (View::Special(Decimal(a)), View::Special(Decimal(b))) => Ok(a.cmp(&b)),
        (View::Special(Decimal(a)), View::Int(b)) => Ok(a.cmp(&b.into())),
        (View::Int(a), View::Special(Decimal(b))) => Ok(crate::value::Decimal::from(a).cmp(&b)),
        (View::Special(Percent(a)), View::Special(Percent(b))) => Ok(a.cmp(&b)),
        (View::Special(Amount(a)), View::Special(Amount(b))) => Ok(a.compare(&b)?),
        (View::Special(Duration(a)), View::Special(Duration(b)))
        | (View::Special(Time(a)), View::Special(Time(b))) => Ok(a.cmp(&b)),
        (View::Special(Account(a)), View::Special(Account(b)) | View::Text(b)) => {
            Ok(a.as_str().cmp(b.as_str()))
        }
        (View::Text(a), View::Special(Account(b))) => Ok(a.as_str().cmp(b.as_str())),
        (View::Special(Id(a)), View::Special(Id(b))) => Ok(a.cmp(&b)),
        (View::Special(Id(a)), View::Int(b)) => Ok(i128::from(a).cmp(&i128::from(b))),
        (View::Int(a), View::Special(Id(b))) => Ok(i128::from(a).cmp(&i128::from(b))),
        _ => Err(Raised::type_error(format!(
            "{} and {} cannot be compared",
            kind(a),
            kind(b)
        ))),
    }
}
